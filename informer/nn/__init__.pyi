from .attention import ProbAttention as ProbAttention
from .crossing import (
    crossing_length as crossing_length,
    measure as measure,
)
from .embedding import N_POSITIONS as N_POSITIONS
from .model import Informer as Informer
