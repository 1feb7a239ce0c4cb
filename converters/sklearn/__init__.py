"""Any fitted scikit-learn model to an artefact."""
