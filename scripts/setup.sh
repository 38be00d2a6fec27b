#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building Pivot needs: Debian packages, pinned wheels in .venv/, the built-in text in build/text/. With --tests also what the
# tests need, with --arrow what reading Parquet and Arrow files needs (45 MB). Safe to run again: what is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m== %s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
fail() {
  echo "setup: $*" >&2
  exit 1
}

want_tests=no want_arrow=no
for argument in "$@"; do
  case $argument in
    --tests) want_tests=yes want_arrow=yes ;;
    --arrow) want_arrow=yes ;;
    *) fail "unknown argument $argument; there are --tests and --arrow" ;;
  esac
done

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "not root and no sudo: install these yourself and run again: ${missing[*]}"
  fi
}

install_debian_packages() {
  local kind name
  missing=()
  while read -r kind name; do
    [ "$kind" = build ] || { [ "$kind" = test ] && [ $want_tests = yes ]; } || continue
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done <scripts/debian-packages.txt
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail "this script knows Debian's apt-get only; install: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  as_root apt-get -q -o Acquire::Retries=5 update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=5 install -y --no-install-recommends "${missing[@]}"
}

# Each list is installed once; a stamp in .venv/ holds the hash of what was.
install_wheels() {
  local list="scripts/requirements-$1.txt" stamp=".venv/pivot-$1.sha256"
  if [ -f "$stamp" ] && sha256sum --status -c "$stamp" 2>/dev/null; then return; fi
  say "installing the wheels of $list into .venv/"
  .venv/bin/python -m pip install -q --disable-pip-version-check --retries 10 --no-deps -r "$list"
  sha256sum "$list" >"$stamp"
}

install_python() {
  [ -x .venv/bin/python ] || python3 -m venv .venv || fail "python3 -m venv failed; is python3-venv installed?"
  install_wheels build
  if [ $want_tests = yes ] || command -v nvidia-smi >/dev/null; then install_wheels gpu; fi
  if [ $want_arrow = yes ]; then install_wheels arrow; fi
  if [ $want_tests = yes ]; then install_wheels test; fi
}

# The packages are unpacked, not installed: some images leave documentation out when they install.
make_text() {
  [ -s build/text/calibration.txt ] && [ -s build/text/evaluation.txt ] && return
  say "making the built-in text from Debian's documentation"
  local debs
  debs=$(mktemp -d)
  chmod 755 "$debs"
  missing=(debian-handbook debian-faq git-doc)
  if ! (cd "$debs" && apt-get -q -o Acquire::Retries=5 download "${missing[@]}" 2>&1); then
    as_root apt-get -q -o Acquire::Retries=5 update
    (cd "$debs" && apt-get -q -o Acquire::Retries=5 download "${missing[@]}")
  fi
  python3 scripts/make_default_text.py "$debs" build/text
  rm -rf "$debs"
}

trap 'echo "setup: stopped before it was done; run it again to go on" >&2' ERR
install_debian_packages
install_python
make_text
