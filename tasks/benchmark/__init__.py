"""The published protocol: scaled errors over every test window, beside what others published."""
