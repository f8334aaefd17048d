#!/bin/sh
# Secrets come as files: of each name below, NAME_FILE says where NAME's value lies. They are
# exported for the command that this process then becomes, and stand in no image and no compose file.
set -eu
for name in PGPASSWORD PREFECT_API_AUTH_STRING PREFECT_SERVER_API_AUTH_STRING \
    MLFLOW_TRACKING_PASSWORD MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    if [ ! -r "$file" ]; then
        echo "cannot read $file, which ${name}_FILE names: run make up, which makes missing secrets" >&2
        exit 1
    fi
    value=$(cat "$file")
    export "$name=$value"
done
exec "$@"
