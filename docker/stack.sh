#!/bin/sh
# stack.sh up: start what compose.yaml describes, wait until it works, say where. stack.sh down: stop.
set -eu
cd "$(dirname "$0")"

if docker compose version >/dev/null 2>&1; then
    compose="docker compose"
elif podman compose version >/dev/null 2>&1; then
    compose="podman compose"
else
    echo "there is neither docker compose nor podman compose. Install one of them, or run the same" \
        "servers without containers: docs/servers.md says how." >&2
    exit 1
fi

case ${1:-} in
up)
    [ -f .env ] || cp .env.example .env
    sh secrets.sh secrets
    mkdir -p data
    training=worker-no-gpu profile=no-gpu
    if nvidia-smi -L >/dev/null 2>&1; then training=worker-gpu profile=gpu; fi
    GIT_COMMIT=$(git rev-parse HEAD 2>/dev/null || echo unknown)
    if [ -n "$(git status --porcelain -- ../informer ../tasks ../flows 2>/dev/null)" ]; then
        GIT_COMMIT=$GIT_COMMIT-dirty
    fi
    export GIT_COMMIT
    $compose --profile "$profile" up --detach --build
    $compose --profile "$profile" up --detach --no-deps --wait --wait-timeout 600 \
        prefect mlflow worker-cpu "$training"
    . ./.env
    echo "Prefect http://127.0.0.1:$PREFECT_PORT   (docker/secrets/prefect_auth)"
    echo "MLflow  http://127.0.0.1:$MLFLOW_PORT   (admin, docker/secrets/mlflow_admin_password)"
    ;;
down)
    # Volumes, and with them databases, models and forecasts, are kept.
    $compose --profile gpu --profile no-gpu down
    ;;
*)
    echo "usage: stack.sh up|down" >&2
    exit 2
    ;;
esac
