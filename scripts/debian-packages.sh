#!/bin/sh
# Installs the Debian packages that the tests need and this machine lacks: real clients and a real broker to compare
# with, and a real browser. As root, or through sudo. Does nothing where everything is there.
set -eu

# What is looked for, and the package that brings it. bash and the like are part of any Debian.
wanted="
mosquitto:mosquitto
mosquitto_sub:mosquitto-clients
mosquitto_pub:mosquitto-clients
chromium:chromium
haproxy:haproxy
pg_lsclusters:postgresql
node:nodejs
npm:npm
"

# Debian keeps servers where an ordinary user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=
for pair in $wanted; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
# A module of Debian's own Python: another one that comes first in PATH would not have it.
/usr/bin/python3 -c 'import paho.mqtt.client' >/dev/null 2>&1 || missing="$missing python3-paho-mqtt"
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')

if [ -z "${missing# }" ]; then
  echo "The Debian packages that the tests need are here."
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "Missing:$missing- and this is not Debian or Ubuntu. Install them in your system's way." >&2
  exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
  as_root=sudo
  if ! command -v sudo >/dev/null 2>&1; then
    echo "Missing: $missing- installing them takes root: run this script as root." >&2
    exit 1
  fi
fi

export DEBIAN_FRONTEND=noninteractive
echo "Installing Debian packages: $missing"
$as_root apt-get update -q
# The mosquitto package starts a broker on port 1883, which is Weir's own; policy-rc.d is how Debian says "do not".
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
  made_policy=yes
fi
remove_policy() { if [ -n "$made_policy" ]; then $as_root rm -f "$policy"; fi; }
trap remove_policy EXIT
# shellcheck disable=SC2086 # one word per package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
  -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 $missing </dev/null
