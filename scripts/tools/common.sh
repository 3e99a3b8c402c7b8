# shellcheck shell=bash
# shellcheck disable=SC2034 # the names set here are for those who source this
# What the scripts share. Sourced, not run.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/pinseal

say() { printf '\n==> %s\n' "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root (no sudo here): $*"
  fi
}

# Runs a command up to three times: mirrors hiccup.
patiently() {
  local attempt
  for attempt in 1 2 3; do
    "$@" && return 0
    ((attempt == 3)) || sleep $((attempt * 3))
  done
  return 1
}

installed() { [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == *' installed' ]]; }

# Installs those of the named Debian packages that are missing; asks apt nothing when none is.
install_packages() {
  local package missing=()
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null ||
    die "please install what these Debian packages hold, by your system's own means: ${missing[*]}"
  say "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
  # One unreachable third-party source must not keep Debian's own packages away: the installation is what decides. Without
  # the mode a list that did not come would be no failure, and not asked for again.
  patiently as_root "${apt[@]}" -o APT::Update::Error-Mode=any update </dev/null || true
  patiently as_root "${apt[@]}" -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" </dev/null ||
    die "apt-get could not install ${missing[*]}"
}

# Fetches the packages that are compiled in, into this folder for builds; what is there is not fetched again.
fetch_packages() {
  patiently swift package --scratch-path "$1" resolve </dev/null >&2 ||
    die "swift package could not fetch what Package.swift names"
}

# Whether this is Debian 12, whose libraries the image holds: what is compiled elsewhere may want newer ones.
on_debian_12() { grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release 2>/dev/null && grep -qx 'ID=debian' /etc/os-release; }

need_swift() {
  command -v swift >/dev/null || die "no swift on the PATH: install a Swift 6.2 or later toolchain from https://swift.org/install"
}

# What the product is built from: the libraries Pinseal stands on.
build_packages=(libssl-dev libcurl4-openssl-dev libnghttp2-dev libyaml-dev pkg-config openssl)
