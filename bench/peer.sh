#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts Banyan as a contender of run_peers: peer.sh KIND PORT LEGACY NEW TMP [CERTIFICATE KEY]
# With a certificate it speaks TLS, and HTTP/2 with who asks for it by ALPN.
#   full     proxy + record + mirror + compare      record   proxy + record, no mirror
#   bare     proxy alone: nothing of a message is recorded (the ledger still counts)
set -eu
kind=$1 port=$2 legacy=$3 new=$4 folder=$5/banyan-$1
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$folder"
record=full mirror=100 tls=
[ $# -lt 7 ] || tls="tls = { certificate = \"$6\", private_key = \"$7\" }"
case $kind in
  record) mirror=0 ;;
  bare) mirror=0 record=off ;;
esac
cat >"$folder/banyan.toml" <<TOML
data_dir = "$folder/data"
workers = 1
[systems.legacy]
urls = ["http://127.0.0.1:$legacy"]
[systems.candidate]
urls = ["http://127.0.0.1:$new"]
[[listeners]]
address = "127.0.0.1:$port"
$tls
[admin]
address = "127.0.0.1:0"
[log]
retention = { age = "1h", size = "4GiB" }
[mirror]
${BANYAN_MIRROR_EXTRA:-}
[[routes]]
name = "all"
match = { path = "/**" }
mirror_percent = $mirror
record = "$record"
${BANYAN_ROUTE_EXTRA:-}
TOML
exec "${BANYAN_BINARY:-$here/build/release/banyan}" serve -c "$folder/banyan.toml"
