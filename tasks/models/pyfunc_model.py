"""The model as MLflow serves it: this file and the library travel with each version.

MLflow runs it as code, never imports it; of this project it may import `informer` alone.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from informer.forecaster import Forecaster

__all__ = ["ForecasterModel"]


class ForecasterModel(PythonModel):  # type: ignore[misc]
    """A long frame of history in, the long frame of forecasts out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the forecaster from the version's artifacts."""
        (folder,) = context.artifacts.values()
        self._forecaster = Forecaster.load(folder)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Forecast the steps after the last row of each series; see `Forecaster.predict`."""
        return self._forecaster.predict(model_input)


mlflow.models.set_model(ForecasterModel())
