#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The knapsack of plans against HiGHS, which knows nothing of how it is solved: knapsack_oracle_test.py SOLVE_KNAPSACKS.

Groups that are exactly alike are one group here, of which so many choose: with variables of their own each order of them would be
another solution, and HiGHS would look at them all."""

import collections
import math
import random
import subprocess
import sys
import unittest

import highspy

UNITS = 1000  # of the cost of a solution
SECONDS = 2  # a problem; where HiGHS wants more its bounds are compared
WEIGHTS = [25165824, 16777216, 117440512, 58720256, 4194304, 7077888, 33030144, 12582912]  # of layers of models of 1 to 8 billion


def by_bits(weights, sensitivity, count):
    return [(int(weights * (bits + 0.25) / 8), sensitivity * 4.0**-bits) for bits in range(1, count + 1)]


def by_formats(weights, sensitivity, count):
    choices = [(int(weights * (bits + 0.125) / 8), sensitivity * 4.0**-bits) for bits in (2, 3, 4, 8)]
    choices += [(int(weights * (bits + 0.5) / 8), 0.8 * sensitivity * 4.0**-bits) for bits in (3, 4, 8)]
    return (choices + [(weights * 2, 0.0)])[-count:]


def at_random(weights, sensitivity, count, generator):
    return [(int(weights * generator.uniform(0.1, 2)), sensitivity * generator.random()) for _ in range(count)]


def budget_of(groups, room):
    least = sum(min(bytes for bytes, _ in group) for group in groups)
    most = sum(max(bytes for bytes, _ in group) for group in groups)
    return least + int(room * (most - least))


def random_problem(generator):
    """Up to 128 groups of up to 8 choices, of few shapes or of any."""
    count = generator.randint(2, 128)
    choices = generator.randint(2, 8)
    shapes = generator.choice([0, 1, 4, 8])
    spread = generator.choice([0.3, 1, 3])
    make = generator.choice([by_bits, by_formats, lambda *a: at_random(*a, generator)])
    groups = []
    for i in range(count):
        weights = WEIGHTS[i % shapes] if shapes else generator.randint(10**6, 10**8)
        groups.append(make(weights, weights * math.exp(generator.gauss(0, spread)), choices))
    return groups, budget_of(groups, generator.uniform(0.01, 0.95))


def alike_problem(generator):
    """Hundreds of groups of some kinds, those of a kind exactly alike."""
    kinds = []
    for i in range(generator.randint(1, 6)):
        weights = generator.choice([WEIGHTS[i], generator.randint(10**6, 10**8)])
        make = generator.choice([by_bits, by_formats, lambda *a: at_random(*a, generator)])
        kinds.append(make(weights, weights * math.exp(generator.gauss(0, 1)), 8))
    groups = [kinds[i % len(kinds)] for i in range(generator.randint(200, 600))]
    return groups, budget_of(groups, generator.uniform(0.05, 0.9))


def hard_problem(generator):
    """The same, of kinds whose costs nearly follow bytes: so many solutions are nearly as good that not all are searched."""

    def nearly_linear(weights, sensitivity, count):
        sizes = [int(weights * (bits + 0.25) / 8) for bits in range(1, count + 1)]
        return [(bytes, 1e10 - bytes * (1 + generator.gauss(0, 1e-4)) - 1000 * at) for at, bytes in enumerate(sizes)]

    kinds = []
    for i in range(generator.randint(1, 6)):
        weights = generator.choice([WEIGHTS[i], generator.randint(10**6, 10**8)])
        make = generator.choice([nearly_linear, lambda *a: at_random(*a, generator)])
        kinds.append(make(weights, weights * math.exp(generator.gauss(0, 1)), 8))
    groups = [kinds[i % len(kinds)] for i in range(generator.randint(200, 700))]
    return groups, budget_of(groups, generator.uniform(0.05, 0.9))


def solve(program, problems):
    """Bytes, cost, relaxed cost and gap of each."""
    lines = []
    for groups, budget in problems:
        lines.append(f"{budget} {len(groups)}")
        lines += [f"{len(group)} " + " ".join(f"{bytes} {cost!r}" for bytes, cost in group) for group in groups]
    output = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=True, timeout=300).stdout
    return [tuple(map(float, line.split())) for line in output.splitlines()]


def oracle(groups, budget, unit):
    """Costs are counted in `unit`, bytes in the budget's room: tolerances of HiGHS are absolute. The cost of HiGHS's solution, infinite where rounding made it one that does not fit, and what it has proven that none costs less than."""
    kinds = collections.Counter(map(tuple, groups))
    least = sum(min(bytes for bytes, _ in group) for group in groups)
    room = max(1, budget - least)
    highs = highspy.Highs()
    settings = {"output_flag": False, "mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "time_limit": float(SECONDS), "threads": 1}
    settings |= {name: 1e-9 for name in ("mip_feasibility_tolerance", "primal_feasibility_tolerance", "dual_feasibility_tolerance")}
    settings |= {"small_matrix_value": 1e-12}
    for option, value in settings.items():
        highs.setOptionValue(option, value)
    variables, cost, used = [], 0, 0
    for kind, count in kinds.items():
        own = [highs.addVariable(0, count, type=highspy.HighsVarType.kInteger) for _ in kind]
        highs.addConstr(sum(own) == count)
        fewest = min(bytes for bytes, _ in kind)
        cost += sum(variable * (choice[1] / unit) for variable, choice in zip(own, kind))
        used += sum(variable * ((choice[0] - fewest) / room) for variable, choice in zip(own, kind))
        variables += zip(own, kind)
    highs.addConstr(used <= 1)
    highs.minimize(cost)
    bound = highs.getInfo().mip_dual_bound * unit
    counts = [(round(value), choice) for value, (_, choice) in zip(highs.vals([variable for variable, _ in variables]), variables)]
    fits = sum(count * choice[0] for count, choice in counts) <= budget
    return (math.fsum(count * choice[1] for count, choice in counts) if fits else math.inf), bound


class KnapsackOracleTest(unittest.TestCase):
    def check(self, problems):
        proven = 0
        for number, ((groups, budget), found) in enumerate(zip(problems, solve(PROGRAM, problems), strict=True)):
            with self.subTest(number):
                used, cost, relaxed, gap = found
                best, bound = oracle(groups, budget, (abs(relaxed) or 1) / UNITS)
                # HiGHS takes a budget for met that is exceeded by a millionth, and so may find a little less than there is.
                slack = 1e-6 * max(abs(cost), abs(relaxed)) + abs(cost - relaxed) * 1e-3
                self.assertLessEqual(used, budget)
                self.assertLessEqual(cost * (1 - gap), best * (1 + 1e-9), "what is proven is true of another's solution")
                self.assertLessEqual(cost, best * (1 + gap + 1e-9), "no other solution is better by more than the gap")
                self.assertGreaterEqual(cost, bound - slack)
                proven += bound >= cost * (1 - gap) - slack
        return proven

    def test_random_problems_have_the_same_least_cost(self):
        generator = random.Random(5)
        problems = [random_problem(generator) for _ in range(100)]
        self.assertGreater(self.check(problems), 80, "HiGHS proves most of them itself")

    def test_hundreds_of_equal_groups_have_the_same_least_cost(self):
        generator = random.Random(6)
        problems = [alike_problem(generator) for _ in range(30)]
        self.assertGreater(self.check(problems), 20, "HiGHS proves most of them itself")

    def test_what_is_not_proven_is_the_least_all_the_same(self):
        generator = random.Random(7)
        problems = [hard_problem(generator) for _ in range(60)]
        unproven = [problem for problem, found in zip(problems, solve(PROGRAM, problems), strict=True) if found[3] > 0]
        self.assertGreater(len(unproven), 0)
        for (groups, budget), (_, cost, relaxed, gap) in zip(unproven, solve(PROGRAM, unproven), strict=True):
            best, _ = oracle(groups, budget, abs(relaxed) / UNITS)
            self.assertLessEqual(gap, 1e-4)
            self.assertLessEqual(cost, best * (1 + 1e-9))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
