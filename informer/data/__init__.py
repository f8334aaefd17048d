"""From a frame to windows: the calendar, the split, the scaling and all index arithmetic."""
