"""From rows of data to a model that may serve: collect, prepare, train, export, prove."""
