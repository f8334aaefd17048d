#!/usr/bin/env bash
# pandas 3.1.1 (numpy 2.4.6): a fixed offset without its colon is a zone of whole hours; the minutes are dropped without a word.
#
# Expected: "+0530" as a zone is +05:30, as it is at the end of a time that pandas reads, or it is refused.
# Seen:     tz_convert, tz_localize and date_range take "+0530" as +05:00, "-0330" as -03:00 and "-0030" as +00:00. With the
#           colon they are right, and so is the same offset at the end of a text.
# Output:   as a zone:  +0530 17:00:00+05:00   -0330 09:00:00-03:00   -0030 12:00:00+00:00
#           with colon: +05:30 17:30:00+05:30   -03:30 08:30:00-03:30   -00:30 11:30:00-00:30
#           in a text:  2024-01-01T12:00+0530 is 06:30 UTC
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pandas==3.1.1 numpy==2.4.6
cat > run.py <<'PY'
import pandas as pd

noon = pd.Timestamp("2024-01-01T12:00", tz="UTC")


def told(zones):
    return "   ".join(f"{zone} {str(noon.tz_convert(zone))[11:]}" for zone in zones)


print("as a zone: ", told(("+0530", "-0330", "-0030")))
print("with colon:", told(("+05:30", "-03:30", "-00:30")))
text = "2024-01-01T12:00+0530"
print("in a text: ", text, "is", pd.Timestamp(text).tz_convert("UTC").strftime("%H:%M"), "UTC")
PY
env/bin/python run.py | tee output
diff output - <<'OUT'
as a zone:  +0530 17:00:00+05:00   -0330 09:00:00-03:00   -0030 12:00:00+00:00
with colon: +05:30 17:30:00+05:30   -03:30 08:30:00-03:30   -00:30 11:30:00-00:30
in a text:  2024-01-01T12:00+0530 is 06:30 UTC
OUT
