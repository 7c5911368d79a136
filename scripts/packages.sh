# Sourced by the scripts that see to programs: need notes what is missing, install_missing installs it.
missing=()

# need PROGRAM PACKAGE...: without the program, these packages of Debian's are missing.
need() {
  local program=$1
  shift
  command -v "$program" >/dev/null || missing+=("$@")
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# may_install reports whether this is a Debian-like system on which we are root or can become it.
may_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null || return 1
  sudo -n true 2>/dev/null || [ -t 0 ] # sudo may ask for the password only where somebody can give it
}

# install_missing installs what is missing, or fails and says what to install.
install_missing() {
  [ ${#missing[@]} -eq 0 ] && return
  if ! may_install; then
    echo "$1 need these packages (Debian's names): ${missing[*]}" >&2
    echo "Install them, or run this as root or with sudo on a Debian-like system." >&2
    return 1
  fi
  echo "installing ${missing[*]}"
  apt_install "${missing[@]}"
  missing=()
}

# apt_install installs the packages. Installing must not start a server of the system's own.
apt_install() (
  set -e
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
)
