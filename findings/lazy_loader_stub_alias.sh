#!/usr/bin/env bash
# lazy-loader 0.6 (with mypy 2.4.1): a stub that renames promises one name and opens another.
#
# Expected: `from .inner import area as size` in `__init__.pyi` makes `size` importable at run time, as type checkers
#           read the stub and as the same line in `__init__.py` would.
# Seen:     attach_stub keeps the name before `as`: mypy accepts `from shapes import size`, Python raises ImportError,
#           and `area`, which a type checker refuses, can be imported and stands in `__all__`.
# Output:   mypy: Success: no issues found in 1 source file
#           run:  cannot import name 'size'
#           all:  ['area'] 6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check lazy-loader==0.6 mypy==2.4.1
mkdir shapes
cat > shapes/__init__.py <<'PY'
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
PY
echo 'from .inner import area as size' > shapes/__init__.pyi
echo '__all__ = ["size"]' >> shapes/__init__.pyi
echo 'def area(a: float, b: float) -> float: return a * b' > shapes/inner.py
echo 'from shapes import size; print(size(2, 3))' > user.py

checked=$(env/bin/mypy --strict user.py)
echo "mypy: $checked"
[[ $checked == Success* ]]
said=$(env/bin/python user.py 2>&1 || true)
echo "run:  $(grep -o "cannot import name 'size'" <<< "$said")"
names=$(env/bin/python -c 'import shapes; print(shapes.__all__, shapes.area(2, 3))')
echo "all:  $names"
[[ $names == "['area'] 6" ]]
