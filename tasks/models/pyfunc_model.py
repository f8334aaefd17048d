"""The model as MLflow serves it: this file and the library travel with each version.

MLflow runs it as code, never imports it; of this project it may import `informer` alone. A version
has no input schema: MLflow would hold each column to one type and so refuse what the library reads.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

from informer.errors import FrameError
from informer.forecaster import Forecaster

__all__ = ["ForecasterModel", "RefusedInput"]


class RefusedInput(MlflowException, FrameError):  # type: ignore[misc]
    """The library's own message, which MLflow's server gives with status 400."""

    def __init__(self, message: str) -> None:
        """Say what was expected, what came, and the mend."""
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)  # type: ignore[call-arg]


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
        """Forecast the steps after the last row of each series; see `Forecaster.predict`.

        Args:
            context: `model_config` may hold `text_name`, the name of a series of the training
                rows that would be another one if it were read as a number.
            model_input: a frame, or its columns by name, as MLflow's server may pass.
            params: not used.

        Raises:
            RefusedInput: the input is no such frame.
        """
        try:
            rows = self._rows(model_input, (context.model_config or {}).get("text_name"))
            return self._forecaster.predict(rows)
        except FrameError as error:
            raise RefusedInput(str(error)) from error

    def _rows(self, given: object, text_name: str | None) -> pd.DataFrame:
        frame = self._forecaster.config.frame
        if isinstance(given, dict):  # MLflow's `inputs` and `instances`
            given = pd.DataFrame(given)
        if not isinstance(given, pd.DataFrame):
            ids = [] if frame.id_column is None else [frame.id_column]
            raise FrameError(
                f"expected a table with the columns {[*ids, frame.time_column, *frame.columns]}, "
                f"but {type(given).__name__} came. Send dataframe_split or dataframe_records."
            )
        names = None if frame.id_column is None else given.get(frame.id_column)
        if text_name is not None and isinstance(names, pd.Series) and _is_number(names):
            raise FrameError(
                f"the series have names such as {text_name!r}, but column {frame.id_column!r} came "
                "as numbers, which is how MLflow reads CSV. Send the names as text, in JSON."
            )
        return given


def _is_number(names: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(names)) and bool(names.notna().any())


mlflow.models.set_model(ForecasterModel())
