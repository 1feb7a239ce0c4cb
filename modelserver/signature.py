"""What a model takes and answers, as ONNX Runtime reports it."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelserver.manifest import ANY_SIZE, Manifest, TensorSpec


@dataclass(frozen=True, slots=True)
class Signature:
    """The tensors of a model by name.

    Args:
        inputs: every input that a request may give, the required ones first.
        optional: names of those that may be left out.
        outputs: every output.
        has_rows: the first axis of each tensor counts rows that do not influence each other, so
            requests may be split and joined there.
    """

    inputs: dict[str, TensorSpec]
    optional: frozenset[str]
    outputs: dict[str, TensorSpec]
    has_rows: bool

    @classmethod
    def of(cls, manifest: Manifest, optional: Sequence[TensorSpec]) -> "Signature":
        """Put together what the manifest and the session say.

        Args:
            manifest: with the required inputs and the outputs.
            optional: inputs beyond those.
        """
        return cls(
            inputs={spec.name: spec for spec in (*manifest.inputs, *optional)},
            optional=frozenset(spec.name for spec in optional),
            outputs={spec.name: spec for spec in manifest.outputs},
            has_rows=manifest.has_rows,
        )


def fits(shape: Sequence[int], spec: Sequence[int]) -> bool:
    """Whether a shape is one that a spec with -1 for any size allows."""
    return len(shape) == len(spec) and all(
        want in (ANY_SIZE, got) for want, got in zip(spec, shape, strict=True)
    )
