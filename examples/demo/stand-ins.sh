# shellcheck shell=bash
# stand_ins ROOT: programs in the place of those that examples/ml-host.yaml names, and a few files under /data.

stand_ins() {
    local bin=$1/opt/ml/venv/bin program
    mkdir -p "$bin" "$1/data"
    for program in gunicorn python mlflow tensorboard jupyter; do
        printf '#!/bin/sh\nexec sleep infinity\n' >"$bin/$program"
        chmod 755 "$bin/$program"
    done
    printf 'id,label\n1,cat\n' >"$1/data/labels.csv"
}
