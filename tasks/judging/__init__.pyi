from .approval import (
    approved as approved,
    check_approval as check_approval,
)
from .backtest import (
    Backtested as Backtested,
    RolledOver as RolledOver,
    RollOptions as RollOptions,
    backtest_dir as backtest_dir,
    roll_champion as roll_champion,
    score_champion as score_champion,
)
from .decision import Decision as Decision, decided_once as decided_once
from .evaluate import (
    CHALLENGER_NAME as CHALLENGER_NAME,
    CHAMPION_NAME as CHAMPION_NAME,
    Evaluation as Evaluation,
    check_baselines as check_baselines,
    evaluate_model as evaluate_model,
    metrics_of as metrics_of,
    report as report,
    rounded as rounded,
    score_rows as score_rows,
)
from .evidence import (
    rule as rule,
    weigh as weigh,
)
from .gate import Ruling as Ruling
from .promote import (
    Promotion as Promotion,
    carry_out as carry_out,
    judge as judge,
    require_candidate as require_candidate,
)
from .roll import write_rolled as write_rolled
from .spread import (
    further_seeds as further_seeds,
    score_seed as score_seed,
    with_seed as with_seed,
)
