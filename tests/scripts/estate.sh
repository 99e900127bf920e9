# Sourced by demo and playground: a real control plane, a simulated Azure, and the operator between
# them with exactly the rights that deploy/ grants. Everything goes into target/demo, or the folder
# that ESTATE names, and ends with the script that sourced this.

demo=${ESTATE:-$PWD/target/demo}
binaries=${CARGO_TARGET_DIR:-$PWD/target}/debug
# divides Azure's own delays (30 s for an operation on a service, 5 minutes until a role assignment works)
speed=${SPEED:-20}
if [[ ! $speed =~ ^[1-9][0-9]*$ ]]; then
    echo "SPEED is '$speed': write a whole number, 20 say" >&2
    exit 1
fi

say() { printf '%s\n' "$*"; }

chapter() { printf '\n== %s\n\n' "$*"; }

indented() { sed 's/^/    /'; }

# show COMMAND...: the command as a person would type it, and what it answers.
show() {
    printf '  $ %s\n' "$*"
    "$@" 2>&1 | indented
}

fail() {
    printf '\n%s\n' "$*" >&2
    for log in "$demo/operator.log" "$demo/simulator.log" "$demo/controlplane.log"; do
        if [[ -s $log ]]; then
            printf '\nthe last lines of %s:\n' "$log" >&2
            tail -n 15 "$log" | cut -c 1-600 >&2
        fi
    done
    exit 1
}

# run_in_background NAME COMMAND...: with stdout in NAME.out and stderr in NAME.log.
run_in_background() {
    local name=$1
    shift
    # here and now: what the last run printed must not be taken for the answer of this one
    : >"$demo/$name.out"
    "${leash[@]}" "$@" >"$demo/$name.out" 2>"$demo/$name.log" 9>&- &
    background[$name]=$!
    started+=("$name")
}

# Last started, first ended; each is waited for, so that nothing is left when the script ends.
stop_everything() {
    local index name
    trap '' INT TERM HUP
    for ((index = ${#started[@]} - 1; index >= 0; index--)); do
        name=${started[index]}
        kill "${background[$name]}" 2>/dev/null || true
        wait "${background[$name]}" 2>/dev/null || true
    done
    rm -f "$demo/env"
}

# all_alive: fails, with its log, when something that should run has ended.
all_alive() {
    local name
    for name in "${started[@]}"; do
        kill -0 "${background[$name]}" 2>/dev/null || fail "$name ended, and should not have"
    done
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        all_alive
        ((SECONDS < limit)) || fail "waited in vain for $what"
        sleep 0.2
    done
}

# answers_ok HOST PORT PATH: whether a GET over plain http is answered with 200.
answers_ok() {
    (
        exec 3<>"/dev/tcp/$1/$2"
        printf 'GET %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n' "$3" "$1" >&3
        read -r -t 2 -u 3 status && [[ $status == *' 200 '* ]]
    )
}

# said NAME WORD: the value on the line that begins with WORD in what NAME printed.
said() { sed -n "s/^$2 //p" "$demo/$1.out" | head -n 1; }

build() {
    tests/scripts/need cargo cc
    if [[ -z ${KUBEBUILDER_ASSETS:-} ]]; then
        tests/scripts/need go
    fi
    cargo build --quiet --locked --workspace --bins
    # in the foreground, so that a first build shows its progress
    "$binaries/controlplane" assets "$@" >/dev/null
}

start_control_plane() {
    run_in_background controlplane "$binaries/controlplane" up --dir "$demo/controlplane" "$@"
    wait_for 200 "the control plane" grep -qx ready "$demo/controlplane.out"
    export KUBECONFIG PATH
    KUBECONFIG=$(said controlplane kubeconfig)
    PATH=$(dirname "$(said controlplane kubectl)"):$binaries:$PATH
}

# start_simulator FLAG...: flags of `azure-simulator serve` beside those that all of us need.
start_simulator() {
    rm -f "$demo/journal.jsonl"
    run_in_background simulator "$binaries/azure-simulator" serve --speed "$speed" \
        --listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 --tls-dir "$demo/tls" --journal "$demo/journal.jsonl" "$@"
    wait_for 30 "the simulated Azure" grep -qx ready "$demo/simulator.out"
    export AZURE_SIMULATOR_URL AZURE_SIMULATOR_CA
    AZURE_SIMULATOR_URL=$(said simulator http)
    AZURE_SIMULATOR_CA=$(said simulator ca)
}

# The CRD, and deploy/ as it is: its Deployment rests here (no node runs it), its rights count.
install_operator() {
    kubectl apply --server-side -f crds/ >/dev/null
    # asked again: a definition that has no condition at all yet makes it fail at once
    wait_for 30 "the definition of DicomEncryption" kubectl wait --for=condition=Established --timeout=10s crd --all
    kubectl apply --server-side -k deploy/base >/dev/null
}

# start_operator FLAG...: the compiled operator, outside the cluster, with a token of its
# ServiceAccount. It speaks to Azure under Azure's own names: the simulator is its egress proxy.
start_operator() {
    local namespace account kubeconfig
    read -r namespace account < <(kubectl get deployments --all-namespaces --selector app.kubernetes.io/name=dicomenc \
        -o jsonpath='{.items[0].metadata.namespace} {.items[0].spec.template.spec.serviceAccountName}{"\n"}') ||
        fail "deploy/base has no Deployment with the label app.kubernetes.io/name=dicomenc"
    kubeconfig=$("$binaries/controlplane" token --dir "$demo/controlplane" "$namespace" "$account")
    run_in_background operator env -u AZURE_SIMULATOR_URL -u AZURE_SIMULATOR_CA \
        KUBECONFIG="$kubeconfig" \
        HTTPS_PROXY="$AZURE_SIMULATOR_URL" NO_PROXY=127.0.0.1,localhost \
        AZURE_TENANT_ID=99999999-9999-9999-9999-999999999999 \
        AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222 \
        AZURE_CLIENT_SECRET=demo \
        "$binaries/dicomenc" operator --ca-bundle "$AZURE_SIMULATOR_CA" --log-format text \
        --propagation-wait "$((600 / speed))s" --recovery-window "$((1800 / speed))s" \
        --recovery-grace "$((600 / speed))s" --health-interval 10s \
        --service-interval 10s --resource-health-interval 10s --configuration-interval 30s "$@"
}

mkdir -p "$demo"
exec 9>"$demo/lock"
flock --nonblock 9 || {
    echo "$demo is in use by another demo, playground or test: end that first" >&2
    exit 1
}
declare -A background=()
started=()
# so that they end even when this script is killed without a chance to run its trap
leash=()
if command -v setpriv >/dev/null; then
    leash=(setpriv --pdeathsig TERM --)
fi
trap stop_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
