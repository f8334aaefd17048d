from .add_norm import add_norm_fast as add_norm_fast
from .distil import distil_fast as distil_fast
from .dropout import Dropout as Dropout
from .feed_forward import (
    Activation as Activation,
    feed_forward_fast as feed_forward_fast,
)
from .full_attention import full_attention_fast as full_attention_fast
from .prob_sparse import prob_sparse_fast as prob_sparse_fast
from .self_attention import prob_sparse_self_attention as prob_sparse_self_attention
