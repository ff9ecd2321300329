#!/usr/bin/env bash
# Brings what Python packages can't: Java 17 and Maven for the embedded broker, libGL and glib for OpenCV.
# Installs by apt with root; else names the packages to install and ends with 1.
set -euo pipefail

missing=()
java_major() { java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p'; }

[[ $(command -v java) && $(java_major) -ge 17 ]] || missing+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || missing+=(maven)
if [[ $(uname) == Linux ]]; then
  libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null || true)
  grep -q 'libGL\.so\.1' <<<"$libraries" || missing+=(libgl1)
  grep -q 'libglib-2\.0\.so\.0' <<<"$libraries" || missing+=(libglib2.0-0)
fi

[[ ${#missing[@]} -eq 0 ]] && exit 0
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "installing: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "Please install these packages, then run the command again: ${missing[*]}" >&2
  echo "  Debian, Ubuntu:  sudo apt-get install ${missing[*]}" >&2
  echo "  macOS:           brew install openjdk@17 maven" >&2
  exit 1
fi
