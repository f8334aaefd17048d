"""Every error with which a run of the pipeline fails, as one tree.

    PipelineError           the run cannot go on: exit status 1
    |-- ContractError       the data breaks its contract
    |-- SourceError         data cannot be found, read or fetched
    |-- RegistryError       a model, alias or version is not as the registry must have it
    `-- StoreError          a folder cannot be written, a server cannot be reached

A mistake in the command or the configuration is none of these: it is `informer.errors.ConfigError`,
exit status 2. Each message says what was expected, what came, and what to do.
"""

__all__ = ["ContractError", "PipelineError", "RegistryError", "SourceError", "StoreError"]


class PipelineError(Exception):
    """Base of all errors below; its text is one line fit for a user's eyes."""


class ContractError(PipelineError):
    """Data that breaks its contract: names each rule that failed, with the first offending rows."""


class SourceError(PipelineError):
    """Data that cannot be found, read or fetched: names the source and the mend."""


class RegistryError(PipelineError):
    """A model registry that lacks or refuses what was asked: names the model and the alias."""


class StoreError(PipelineError):
    """A place that cannot be written or reached: names the folder or the server and the mend."""
