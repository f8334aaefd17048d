#!/usr/bin/env bash
# mlflow 3.17.2 (pandas 3.1.1): a model whose signature has a column of AnyType takes frames, and refuses every CSV file.
#
# Expected: AnyType is the type for columns that may hold anything, so a CSV request is read with pandas' own types for them.
# Seen:     parse_csv_input, which the scoring server calls for text/csv, asks the schema for pandas types and raises for one
#           AnyType column, whatever the file holds; the message blames the file. Without a schema, the id 007 becomes 7.
# Output:   no schema:  {'id': 7, 'y': 1.5}
#           string id:  {'id': '007', 'y': 1.5}
#           any id:     MlflowException: Failed to parse input as a Pandas DataFrame
#           as a frame:  {'id': '007', 'y': 1.5}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check mlflow==3.17.2 pandas==3.1.1
cat > run.py <<'PY'
import io

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models.utils import _enforce_schema
from mlflow.pyfunc.scoring_server import parse_csv_input
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

CSV = "id,y\n007,1.5\n"
number = ColSpec(DataType.double, "y")


def row(schema):
    try:
        return parse_csv_input(io.StringIO(CSV), schema=schema).to_dict("records")[0]
    except MlflowException as error:
        return f"{type(error).__name__}: {str(error).partition('.')[0]}"


print("no schema: ", row(None))
print("string id: ", row(Schema([ColSpec(DataType.string, "id"), number])))
print("any id:    ", row(Schema([ColSpec(AnyType(), "id"), number])))
frame = pd.DataFrame({"id": ["007"], "y": [1.5]})
taken = _enforce_schema(frame, Schema([ColSpec(AnyType(), "id"), number]))
print("as a frame: ", taken.to_dict("records")[0])
PY
env/bin/python run.py 2>/dev/null | tee output
diff output - <<'OUT'
no schema:  {'id': 7, 'y': 1.5}
string id:  {'id': '007', 'y': 1.5}
any id:     MlflowException: Failed to parse input as a Pandas DataFrame
as a frame:  {'id': '007', 'y': 1.5}
OUT
