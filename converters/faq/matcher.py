"""The last step of a FAQ pipeline: one independent match probability for every FAQ.

Letters used in shapes: N questions, F FAQs, V features (the terms of all vectorizers together).
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

Floats = npt.NDArray[np.float64]


class FaqMatcher(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Scores a question against every FAQ with one sparse row of weights per FAQ.

    `fit` is plain one-vs-rest logistic regression. Training that also calibrates or prunes
    computes the rows itself and hands them over with `from_parts`.

    Args:
        C: inverse strength of the regularisation that `fit` uses.

    Attributes:
        classes_: [F] identifiers of the FAQs, in the order of the output columns.
        coef_: [F, V] weights, float64, compressed sparse rows; what is absent is zero.
        intercept_: [F] float64, the score of a question without any known term.
        n_features_in_: V.
    """

    classes_: npt.NDArray[Any]
    coef_: sparse.csr_array
    intercept_: Floats
    n_features_in_: int

    def __init__(self, C: float = 100.0) -> None:
        self.C = C

    @classmethod
    def from_parts(cls, classes: Sequence[Any], coef: Any, intercept: Any) -> Self:
        """Build a fitted matcher from weights that were computed elsewhere.

        Args:
            classes: F identifiers, all different.
            coef: [F, V], dense or sparse.
            intercept: [F].

        Raises:
            ValueError: the three disagree about F, or a weight is not a finite number.
        """
        matcher = cls()
        matcher._set_parts(classes, coef, intercept)
        return matcher

    def fit(self, X: Any, y: Sequence[Any]) -> Self:
        """Fit one balanced logistic regression per FAQ.

        Args:
            X: [n, V] features, one row per known question.
            y: [n] identifier of the FAQ that each row belongs to.
        """
        learner = LogisticRegression(C=self.C, solver="liblinear", class_weight="balanced")
        fitted = OneVsRestClassifier(learner).fit(X, y)
        if len(fitted.classes_) < 3:
            raise ValueError(f"at least 3 different FAQs are needed, got {len(fitted.classes_)}")
        coef = np.vstack([one.coef_ for one in fitted.estimators_])
        intercept = np.concatenate([one.intercept_ for one in fitted.estimators_])
        self._set_parts(fitted.classes_, coef, intercept)
        return self

    def decision_function(self, X: Any) -> Floats:
        """Compute the scores before the sigmoid: [N, V] features -> [N, F] float64."""
        products = sparse.csr_array(X) @ self.coef_.T
        scores: Floats = products.toarray() + self.intercept_
        return scores

    def predict_proba(self, X: Any) -> Floats:
        """Compute match probabilities [N, F]; each stands alone, rows do not add up to one."""
        scores = self.decision_function(X)
        tails = np.exp(-np.abs(scores))  # never overflows, unlike exp(-score)
        probabilities: Floats = np.where(scores >= 0, 1.0, tails) / (1.0 + tails)
        return probabilities

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Name the best FAQ of each question: [N, V] features -> [N] identifiers."""
        best: npt.NDArray[Any] = self.classes_[np.argmax(self.decision_function(X), axis=1)]
        return best

    def _set_parts(self, classes: Sequence[Any], coef: Any, intercept: Any) -> None:
        kinds = {type(one) for one in classes}
        self.classes_ = np.asarray(classes, dtype=None if len(kinds) == 1 else object)
        self.coef_ = sparse.csr_array(coef, dtype=np.float64, copy=True)
        self.coef_.sum_duplicates()
        self.coef_.eliminate_zeros()
        self.intercept_ = np.asarray(intercept, dtype=np.float64).reshape(-1)
        self.n_features_in_ = int(self.coef_.shape[1])
        counts = {len(self.classes_), int(self.coef_.shape[0]), len(self.intercept_)}
        if len(counts) != 1:
            raise ValueError(
                f"{len(self.classes_)} classes, {self.coef_.shape[0]} rows of weights and "
                f"{len(self.intercept_)} intercepts: one of each per FAQ is expected"
            )
        if len(set(self.classes_.tolist())) != len(self.classes_):
            raise ValueError("two FAQs have the same identifier")
        if not (np.isfinite(self.coef_.data).all() and np.isfinite(self.intercept_).all()):
            raise ValueError("a weight or an intercept is not a finite number")
