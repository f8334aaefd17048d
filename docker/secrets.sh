#!/bin/sh
# Make what is missing of the secrets that compose.yaml names, with random values: secrets.sh FOLDER
#
# The folder can be entered by its owner alone. The files in it can be read by all, since a container
# gets each of them alone, as it lies here, and reads it as another user than the one who made it.
set -eu
folder=$1
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

make() {
    [ -s "$folder/$1" ] && return
    cat >"$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
}

for name in postgres_password prefect_database_password mlflow_database_password \
    optuna_database_password mlflow_admin_password mlflow_secret_key s3_secret_key; do
    random | make "$name"
done
printf 'informer:%s' "$(random)" | make prefect_auth
key=$(cat "$folder/s3_secret_key")
make s3_credentials <<EOF
[default]
aws_access_key_id = mlflow
aws_secret_access_key = $key
EOF
make s3_identities <<EOF
{"identities": [{"name": "mlflow", "credentials": [{"accessKey": "mlflow", "secretKey": "$key"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
EOF
