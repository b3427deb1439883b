# shellcheck shell=bash
# Functions shared by the scripts beside this folder. Sourced, never run. Everything here is safe to repeat and quick when there is
# nothing to do; nothing here starts, stops or configures a service of this machine.

tandem_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

# Debian packages by purpose; each purpose includes the ones before it.
# run:   clang and libbpf-dev compile the BPF object, g++ and make build the addon; python3 is what node-gyp needs to build raw-socket;
#        iproute2 and ethtool make the namespaces, tcpdump looks on from their switch; curl is for looking around.
# test:  bpftool shows the object's layout to scripts/generate; ping, arping and nftables act in the lab; keepalived is the other router on
#        the wire and frr's vrrpd a third, tshark reads what we send; prometheus brings promtool; these scripts are checked by shellcheck.
#        dnsmasq-base, mariadb-server-core, nginx (by libnginx-mod-mail for SMTP, too), postgresql-15 and redis-server have their health checked.
# bench: the peers Tandem is measured beside, as far as the tests do not need them.
packages_run=(ca-certificates clang libbpf-dev g++ make python3 iproute2 ethtool tcpdump curl)
packages_test=(bpftool frr iputils-arping iputils-ping keepalived nftables prometheus shellcheck tshark
  dnsmasq-base libnginx-mod-mail mariadb-server-core nginx postgresql-15 redis-server)
packages_bench=(conntrackd conntrack)

# BPF features Tandem needs (syscall programs with attached maps, ring buffer, bpf_redirect from generic XDP) are all in Linux 5.15.
minimum_kernel=5.15
# raw-socket is built against these lines; others get the Node.js that package-lock.json in scripts/lib/toolchain pins.
supported_node_lines='20 22'
minimum_node_20=18

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' red='' dim='' plain=''; fi

say() { printf '%s\n' "${dim}==>${plain} $*" >&2; }
warn() { printf '%s\n' "${bold}warning:${plain} $*" >&2; }
fail() {
  printf '%s\n' "${red}${bold}error:${plain} $1" >&2
  shift
  (($# == 0)) || printf '       %s\n' "$@" >&2
  exit 1
}

# Runs a command quietly; shows what it said only when it fails.
quietly() {
  local log status=0
  log="$(mktemp)"
  "$@" >"$log" 2>&1 || status=$?
  ((status == 0)) || cat "$log" >&2
  rm -f "$log"
  return "$status"
}

# Prints the comment block at the top of a script: the help text stands where the reader of the script sees it, too.
print_help() { awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$1"; }

is_root() { [[ $(id -u) == 0 ]]; }

packages_for() {
  case "$1" in
    run) printf '%s\n' "${packages_run[@]}" ;;
    test) printf '%s\n' "${packages_run[@]}" "${packages_test[@]}" ;;
    bench) printf '%s\n' "${packages_run[@]}" "${packages_test[@]}" "${packages_bench[@]}" ;;
  esac
}

# Prints those of the given packages that are not installed.
missing_packages() {
  local installed
  installed="$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' "$@" 2>/dev/null | sed -n 's/^installed \([^:]*\).*/\1/p')" || true
  printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$installed") || true
}

apt_get() { DEBIAN_FRONTEND=noninteractive quietly apt-get -q -y -o Dpkg::Use-Pty=0 "$@"; }

# Some packages (prometheus, keepalived, frr, nginx, redis-server, postgresql-15, conntrackd) bring a service. Tandem wants only their
# programs: while apt runs, a policy-rc.d forbids starting services and PostgreSQL makes no database, which the next boot would start; what
# came enabled is disabled afterwards. So nothing new runs now or after the next boot. A service that was there before stays as it is.
install_packages() {
  local policy=/usr/sbin/policy-rc.d no_database=/etc/postgresql-common/createcluster.d/zz-tandem.conf
  local temporary=("$no_database") package service services=() status=0
  local install=(apt_get install --no-install-recommends "$@")
  say "installing Debian packages: $*"
  for package in "$@"; do
    # That of postgresql-15 is for all versions.
    service=${package%-[0-9]*}
    [[ -e /lib/systemd/system/$service.service ]] || services+=("$service")
  done
  [[ -e $policy ]] || temporary+=("$policy")
  # shellcheck disable=SC2064
  trap "rm -f ${temporary[*]}" EXIT
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  if [[ " $*" == *' postgresql-'* ]]; then
    mkdir -p "${no_database%/*}"
    echo 'create_main_cluster = false' >"$no_database"
  fi
  "${install[@]}" 2>/dev/null || { apt_get update && "${install[@]}"; } || status=$?
  rm -f "${temporary[@]}"
  trap - EXIT
  for service in "${services[@]}"; do
    [[ -e /lib/systemd/system/$service.service ]] || continue
    if command -v systemctl >/dev/null; then quietly systemctl disable "$service.service" || true; fi
    # Without systemd (in a container, say) nothing is there to do it, and the links would wait for a systemd to come.
    rm -f /etc/systemd/system/*.wants/"$service.service"
    [[ ! -e /etc/init.d/$service ]] || quietly update-rc.d "$service" disable || warn "could not disable $service: run 'update-rc.d $service disable' yourself"
  done
  return "$status"
}

ensure_packages() {
  local missing wanted
  command -v dpkg-query >/dev/null || {
    warn 'this is not a Debian system: install the equivalents of these packages yourself:' "$(packages_for "$1" | xargs)"
    return 0
  }
  mapfile -t wanted < <(packages_for "$1")
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  ((${#missing[@]} == 0)) && return 0
  is_root || fail "these Debian packages are missing: ${missing[*]}" 'Install them, then run this again as the same user:' \
    "sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
  install_packages "${missing[@]}" || fail "apt-get could not install: ${missing[*]}" 'Its own messages stand above. Is a Debian mirror configured and reachable?'
}

# Sets node_version, node_prefix and node_abi to what the given node says of itself; starting it is slow enough to do it only once.
ask_node() {
  local facts
  facts="$("$1" -p '[process.versions.node, require("path").resolve(process.execPath, "../.."), process.versions.modules + process.arch].join("\n")' 2>/dev/null)" || return 1
  { read -r node_version && read -r node_prefix && read -r node_abi; } <<<"$facts"
}

is_supported_version() {
  local line minor
  IFS=. read -r line minor _ <<<"$1"
  [[ " $supported_node_lines " == *" $line "* ]] || return 1
  [[ $line != 20 ]] || ((minor >= minimum_node_20))
}

# Are the headers of exactly this version there? node-gyp must not look elsewhere for them.
has_headers() {
  local header=$1/include/node/node_version.h
  [[ -r $header && $(sed -nE 's/^#define NODE_(MAJOR|MINOR|PATCH)_VERSION ([0-9]+)$/\2/p' "$header" | xargs | tr ' ' .) == "$2" ]]
}

# Puts a fitting Node.js first in PATH: the machine's own when it is supported and has its headers, else the one in .tools/. Returns 1 if
# there is neither. Exports what node-gyp and native/Makefile compile against.
use_node() {
  [[ ${TANDEM_NODE_OF:-} != "$tandem_root" ]] || return 0
  if ! { ask_node node && is_supported_version "$node_version" && has_headers "$node_prefix" "$node_version"; }; then
    local own=$tandem_root/.tools/bin
    [[ -x $own/node ]] && ask_node "$own/node" && is_supported_version "$node_version" || return 1
    export PATH="$own:$PATH"
  fi
  export npm_config_nodedir="$node_prefix" TANDEM_NODE_OF="$tandem_root" TANDEM_NODE_ABI="$node_abi"
}

# Debian 12 has Node.js 18. It is used once, to fetch the pinned Node.js from the npm registry; npm verifies its hash.
ensure_node() {
  use_node && return 0
  local found
  found="$(node -p process.version 2>/dev/null || echo none)"
  if ! command -v npm >/dev/null; then
    is_root || fail "no Node.js that fits was found (found: $found; needed: 20.$minimum_node_20 or later, or 22, with its headers)" \
      'Install one, or let this script fetch one by way of npm:' 'sudo apt-get install --no-install-recommends nodejs npm'
    install_packages nodejs npm || fail 'apt-get could not install nodejs and npm; its own messages stand above.'
  fi
  say "fetching Node.js for this clone into .tools/ (found: $found)"
  mkdir -p "$tandem_root/.tools"
  cp "$tandem_root"/scripts/lib/toolchain/package*.json "$tandem_root/.tools/"
  quietly npm ci --prefix "$tandem_root/.tools" --no-audit --no-fund || fail 'npm could not fetch Node.js; its own messages stand above. Is the npm registry reachable?'
  mkdir -p "$tandem_root/.tools/bin"
  local packages=../node_modules
  ln -sfn "$packages"/node-linux-"$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')"/bin/node "$tandem_root/.tools/bin/node"
  ln -sfn "$packages"/npm/bin/npm-cli.js "$tandem_root/.tools/bin/npm"
  ln -sfn "$packages"/npm/bin/npx-cli.js "$tandem_root/.tools/bin/npx"
  use_node || fail "the Node.js in .tools/ does not run here ($(uname -m)); supported are x86_64 and aarch64."
}

modules_key() { { cat "$tandem_root/package-lock.json"; echo "$TANDEM_NODE_ABI"; } | sha256sum | cut -d' ' -f1; }

# node_modules exactly as package-lock.json says. Install scripts are not run: the one package that has to be compiled is named here.
ensure_modules() {
  local stamp=$tandem_root/node_modules/.tandem-stamp key
  key="$(modules_key)"
  [[ -r $stamp && $(<"$stamp") == "$key" ]] && return 0
  say 'installing npm packages'
  cd "$tandem_root" || return 1
  quietly npm ci --ignore-scripts --no-audit --no-fund || fail 'npm ci failed; its own messages stand above.'
  say 'building raw-socket'
  quietly npm rebuild raw-socket --foreground-scripts --no-audit --no-fund || fail 'raw-socket could not be built; the messages stand above.'
  node -e 'require("raw-socket")' || fail 'raw-socket was built but does not load.'
  printf '%s\n' "$key" >"$stamp"
}

has_capability() {
  local effective
  effective="$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)"
  (((16#$effective >> $1) & 1))
}

# Prints what this machine or this user lacks for running a cluster, one line each.
missing_abilities() {
  local kernel
  kernel="$(uname -r)"
  [[ $(printf '%s\n%s\n' "$minimum_kernel" "${kernel%%-*}" | sort -V | head -n1) == "$minimum_kernel" ]] ||
    echo "Linux $minimum_kernel or later is needed; this is $kernel"
  is_root || echo 'namespaces, BPF and raw sockets need root: run it with sudo'
  if is_root; then
    has_capability 12 || echo 'CAP_NET_ADMIN is missing (in a container: --cap-add NET_ADMIN, or --privileged)'
    has_capability 13 || echo 'CAP_NET_RAW is missing (in a container: --cap-add NET_RAW, or --privileged)'
    has_capability 21 || echo 'CAP_SYS_ADMIN is missing (in a container: --privileged)'
    { has_capability 39 || has_capability 21; } || echo 'CAP_BPF is missing (in a container: --privileged)'
    mountpoint -q /sys/fs/bpf || echo '/sys/fs/bpf is not mounted: mount -t bpf bpf /sys/fs/bpf'
  fi
}

ensure_bpffs() {
  if mountpoint -q /sys/fs/bpf || ! is_root; then return 0; fi
  say 'mounting /sys/fs/bpf'
  { mkdir -p /sys/fs/bpf && mount -t bpf bpf /sys/fs/bpf; } 2>/dev/null || true
}

# ensure_setup run|test|bench: everything that purpose needs, then the build.
ensure_setup() {
  local lacking
  ensure_packages "$1"
  ensure_node
  ensure_modules
  ensure_bpffs
  mapfile -t lacking < <(missing_abilities)
  if ((${#lacking[@]} > 0)); then
    if [[ $1 == test ]]; then
      warn 'tests that need what is missing here will be skipped:'
      printf '         %s\n' "${lacking[@]}" >&2
    else
      fail 'this machine cannot run a cluster yet:' "${lacking[@]}"
    fi
  fi
  "$tandem_root/scripts/build"
}

# For scripts that need an installed clone but install nothing themselves.
require_setup() {
  if ! use_node || [[ ! -d $tandem_root/node_modules ]]; then fail 'this clone is not set up yet.' 'Run scripts/setup first.'; fi
}
