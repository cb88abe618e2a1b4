"""Evaluation: purged folds, scores against chance, importance on held-out data."""

from nwbdecode.evaluate.cross_validation import cross_validate
from nwbdecode.evaluate.importance import importance
from nwbdecode.evaluate.metrics import metric_values
from nwbdecode.evaluate.predicting import predict_new, predict_out_of_fold
from nwbdecode.evaluate.scores import score
from nwbdecode.evaluate.splits import Fold, PurgedKFold

__all__ = [
    "Fold",
    "PurgedKFold",
    "cross_validate",
    "importance",
    "metric_values",
    "predict_new",
    "predict_out_of_fold",
    "score",
]
