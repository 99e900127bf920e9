# Sourced by fidelity and fidelity-azurerm, after estate.sh: what both need to install, run and count. They
# set `here` (tests/fidelity) and `tools` (where things are installed).

if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
    echo "node is older than 20: install Node.js 20 or newer, from https://nodejs.org" >&2
    exit 1
fi

# installed FOLDER LIST COMMAND...: runs the command when the list is not the one installed last.
installed() {
    local folder=$1 list=$2
    shift 2
    if ! cmp -s "$list" "$folder/installed"; then
        echo "installing what ${list#"$PWD/"} names"
        rm -rf "$folder"
        mkdir -p "$folder"
        "$@"
        cp "$list" "$folder/installed"
    fi
}

# install_javascript NAME: a node_modules of its own; scripts are not run, none is needed.
install_javascript() {
    cp "$here/$1/package.json" "$tools/$1/"
    (cd "$tools/$1" && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts)
}

# install_oav: Microsoft's validator. node looks for packages beside the file that wants them.
install_oav() {
    installed "$tools/oav" "$here/oav/package.json" install_javascript oav
    cp "$here/oav/validate.cjs" "$tools/oav/"
}

# install_provider NAME FOLDER PACKAGE: a provider for Terraform, from the Go module in that folder.
install_provider() {
    (cd "$2" && CGO_ENABLED=0 GOFLAGS='' GOWORK=off go build -mod=readonly -buildvcs=false -trimpath \
        -ldflags '-s -w' -o "$tools/$1/$(basename "$3")" "$3")
}

# terraform_flow FLOW PROVIDER: drives Terraform with the provider in that folder.
terraform_flow() {
    rm -rf "$demo/terraform"
    mkdir "$demo/terraform"
    PROVIDER=$2 WORK=$demo/terraform \
        SSL_CERT_FILE=$AZURE_SIMULATOR_CA HTTPS_PROXY=$AZURE_SIMULATOR_URL NO_PROXY=127.0.0.1,localhost \
        "$here/terraform/flow" "$1"
}

# tally FILE: prints what a program found, and adds its last line, 'name: N passed, N failed'.
tally() {
    local last
    cat "$1"
    last=$(tail -n 1 "$1")
    if [[ $last =~ ^[a-z]+:\ ([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
    else
        echo "not ok  $1 has no count at its end"
        failed=$((failed + 1))
    fi
}

# judge: oav over the journal of the run.
judge() {
    node "$tools/oav/validate.cjs" "$here/specs" "$demo/journal.jsonl" >"$demo/oav.log" 2>&1 || true
    # its logger's remarks about the specifications themselves stay in the file
    grep -E '^(ok|not ok|  (request|response) |        )|^oav: ' "$demo/oav.log" >"$demo/oav.out" || true
    tally "$demo/oav.out"
}

# finish: the sum of all that was tallied; fails when anything did.
finish() {
    echo
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

passed=0
failed=0
