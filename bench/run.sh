#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ./dev bench [peers|tls|h2|slow|dead|floor|micro] [run_peers options]: ratios to nginx, haproxy and nghttpx in one run.
# ./dev bench sick [--rounds N] [--seconds S]: clients beside a healthy, a slow and a dead candidate, by pairs of rounds.
# ./dev bench log [DIRECTORY]: the log against the disk and the machine.
# ./dev bench findings [MISMATCHES [SEED]]: decisions and waiting time after a million exchanges that differ.
# ./dev bench faults [--requests N] [--healthy RUNS] [--seed N] [--single]: which planted faults are found under noise.
# ./dev bench instructions [--pin|--check]: instructions per request, by Callgrind, of the release binary.
# BANYAN_PEERS names run_peers where it is not ../shared/bench/run_peers.
set -eu
cd "$(dirname "$0")/.."
peers=${BANYAN_PEERS:-../shared/bench/run_peers}
what=${1:-peers}
[ $# -eq 0 ] || shift
# run_peers splits a command at spaces and starts it in its own folder.
contender() { echo "$PWD/bench/peer.sh $1 {port} {legacy} {new} {tmp}"; }
secure_contender() { echo "$(contender "$1") {cert} {key}"; }
case $what in
  peers)
    exec "$peers" --only nginx,nginx+mirror,haproxy,nghttpx "$@" --extra banyan-bare 0 "$(contender bare)" \
      --extra banyan-record 0 "$(contender record)" --extra banyan-full 0 "$(contender full)"
    ;;
  tls | h2)
    exec "$peers" --set "$what" --only nginx,nginx+mirror,haproxy,nghttpx "$@" \
      --extra banyan-record 0 "$(secure_contender record)" --extra banyan-full 0 "$(secure_contender full)"
    ;;
  slow)
    # The healthy pair of this figure is `./dev bench peers`; here the candidate answers after 50 ms.
    exec "$peers" --set slow-mirror --mirror-delay 0.05 --only nginx,nginx+mirror "$@" \
      --extra banyan-record 0 "$(contender record)" --extra banyan-full 0 "$(contender full)"
    ;;
  dead)
    exec "$peers" --set slow-mirror --mirror-dead --only nginx,nginx+mirror "$@" \
      --extra banyan-record 0 "$(contender record)" --extra banyan-full 0 "$(contender full)"
    ;;
  sick)
    exec python3 bench/sick.py "$@"
    ;;
  floor)
    # Sockets alone, through epoll (level and edge triggered) and io_uring, beside nginx and Banyan.
    floor() { echo "$PWD/build/bench/bench/socket_floor $1 {port} {legacy}"; }
    exec "$peers" --only nginx "$@" --baseline nginx --extra level 0 "$(floor level)" --extra edge 0 "$(floor edge)" \
      --extra ring 0 "$(floor ring)" --extra banyan-bare 0 "$(contender bare)" --extra banyan-record 0 "$(contender record)"
    ;;
  instructions)
    exec python3 bench/instructions.py --binary "${BANYAN_BINARY:-build/release/banyan}" "$@"
    ;;
  findings)
    exec build/bench/bench/findings_scale "$@"
    ;;
  faults)
    exec build/bench/bench/planted_faults "$@"
    ;;
  log)
    exec "${BANYAN_LOG_LIMITS:-build/bench/bench/log_limits}" "$@"
    ;;
  micro)
    for program in build/bench/bench/bench_*; do
      [ -x "$program" ] && "$program" "$@"
    done
    ;;
  *)
    echo "usage: ./dev bench [peers|tls|h2|slow|dead|sick|floor|log|findings|faults|micro|instructions] [options]" >&2
    exit 2
    ;;
esac
