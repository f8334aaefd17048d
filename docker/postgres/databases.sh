#!/bin/sh
# A database for each of Prefect, MLflow and Optuna, owned by a user of its own whom no other
# database lets in. PostgreSQL's image runs this once, when its volume is empty.
set -eu
for name in prefect mlflow optuna; do
    PASSWORD_FILE=${SECRETS_DIR:-/run/secrets}/${name}_database_password
    export PASSWORD_FILE
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --set name="$name" \
        --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat "$PASSWORD_FILE"`
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
