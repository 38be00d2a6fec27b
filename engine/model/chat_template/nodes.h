// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_NODES_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_NODES_H_

// A parsed template.

#include <memory>
#include <string>
#include <vector>

#include "engine/model/chat_template/value.h"

namespace pivot::chat {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

enum class ExpressionKind {
  kConstant,     // constant
  kName,         // text
  kList,         // operands
  kTuple,        // operands
  kDict,         // operands: key, value, key, value...
  kAttribute,    // operands[0] . text
  kItem,         // operands[0] [ operands[1] ]
  kSlice,        // operands[0] [ operands[1] : operands[2] : operands[3] ], those left out null
  kCall,         // operands[0] ( arguments )
  kFilter,       // operands[0] | text ( arguments )
  kTest,         // operands[0] is text ( arguments )
  kUnary,        // text: "-", "+", "not"
  kBinary,       // text: "+", "-", "*", "/", "//", "%", "**", "and", "or"
  kConcatenate,  // operands with ~ between
  kCompare,      // operands with operators between
  kConditional,  // operands[0] if operands[1] else operands[2], which may be null
};

struct Argument {
  std::string name;  // empty: by position; "*" and "**": the items of the value are arguments
  ExpressionPtr value;
};

/// No parser makes a deeper tree.
inline constexpr int kMaxExpressionDepth = 200;

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 1;
  int depth = 1;  // of the tree
  std::string text;
  Value constant;
  std::vector<ExpressionPtr> operands;
  std::vector<std::string> operators;  // kCompare: "==", "<", "in", "not in"...
  std::vector<Argument> arguments;
};

struct Statement;
using Body = std::vector<std::unique_ptr<const Statement>>;

enum class StatementKind {
  kData,         // text
  kPrint,        // value
  kSet,          // targets = value
  kSetBlock,     // targets = body, through the filters of `value` over a constant when there are some
  kIf,           // value, body, otherwise
  kFor,          // targets in value if condition, body, otherwise
  kMacro,        // text (parameters), body
  kCallBlock,    // value is a call that gets body as caller
  kFilterBlock,  // body through the filters of value
  kScope,        // body in a scope of its own: {% with %} and {% generation %}; targets[i] = values
  kBreak,
  kContinue,
};

/// What is assigned to.
struct Target {
  std::string name;
  std::string attribute;  // of the namespace `name`; empty: the name itself
};

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null: undefined
};

struct Statement {
  StatementKind kind = StatementKind::kData;
  int line = 1;
  std::string text;
  std::vector<Target> targets;  // several: the value is unpacked
  ExpressionPtr value;
  ExpressionPtr condition;
  std::vector<ExpressionPtr> values;
  std::vector<Parameter> parameters;
  Body body;
  Body otherwise;
};

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_NODES_H_
