"""One backward pass, run twice: everything that can be wrong with it but the values of its gradients."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.exceptions import explain, of_exception, refused_gradient
from mlp.diagnostics.gradients.finite_differences import Probe, norm, relative_error
from mlp.diagnostics.gradients.probes.changing_line import told_in_place
from mlp.diagnostics.gradients.report import Findings, fault, wrong_kind
from mlp.diagnostics.gradients.styles.arrays import leaves_of
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

SAME = 1e-12  # how far two runs of one formula may differ


def checked_backward(probe: Probe, upstream: Array) -> tuple[dict[str, Array] | None, Findings]:
    """Return the gradients that backward gives, or None if they cannot be compared, and what was found.

    Before the second run the gradients of all parameters are filled with random numbers. So it shows whether backward
    adds to a gradient, or never writes it.
    """
    mode, shape = ("training" if probe.training else "evaluation"), probe.x.shape
    given, inputs = upstream.copy(), probe.x.copy()
    weights = {name: parameter.data.copy() for name, parameter in probe.layer.named_parameters()}
    try:
        first = probe.backward(given)
        changed = side_effects(probe, upstream, inputs, weights)
        if changed is not None:
            return None, changed
        filled = fill_gradients(probe)
        second = probe.backward(upstream.copy())
    except OWN_ERRORS as error:
        names = {id(parameter): name for name, parameter in probe.layer.named_parameters()}
        explained = tuple(of_exception(error, mode, right_for(probe, upstream, error, names), names))
        raised = fault(Diagnosis("exception", "inputs", mode, ""), shape, f"backward raised {type(error).__name__}")
        return None, Findings(raised.rows, explained, cause=error)
    if wrong_kind(first["inputs"], probe.x):
        return None, wrong_result(probe, upstream, first["inputs"], mode)
    found = Findings()
    if not np.array_equal(given, upstream):
        note = "backward changes grad_outputs in place"
        told = f"{note}, which other layers (a shortcut) may still need"
        text = told_in_place(told, given, upstream, lambda: probe.backward(given))
        found += fault(Diagnosis("grad_outputs changed", "grad_outputs", mode, text), upstream.shape, note)
    for name, gradient in first.items():
        if np.isfinite(gradient).all() and relative_error(second[name], gradient, norm(gradient)) > SAME:
            note, title, text = repeated(gradient, second[name], filled.get(name))
            found += fault(Diagnosis(title, name, mode, text), gradient.shape, note)
    return first, found


def side_effects(probe: Probe, upstream: Array, inputs: Array, weights: Mapping[str, Array]) -> Findings | None:
    """Return what backward changed that it must not change, or None."""
    mode = "training" if probe.training else "evaluation"
    if not np.array_equal(probe.x, inputs):
        note = "backward changes the inputs of forward in place"
        told = f"{note}, which other layers (a shortcut) may have kept, too"
        text = told_in_place(told, probe.x, inputs, lambda: probe.backward(upstream.copy()))
        return fault(Diagnosis("inputs changed", "inputs", mode, text), inputs.shape, note)
    for name, parameter in probe.layer.named_parameters():
        if not np.array_equal(parameter.data, weights[name]):
            note = f"backward changed the data of {name}"
            twins = [
                path for path, array in leaves_of(probe.owner).items() if is_twin(path, array, name, parameter.data)
            ]
            if twins:
                text = (
                    f"{note}: {twins[0]} and {name} are one array, because an assignment makes no copy, only another "
                    f"name; make a new array, self.{twins[0]} = np.zeros_like(self.{name})"
                )
            else:
                told = f"{note} in place (the learning rule updates the weights, and backward writes their gradients)"
                text = told_in_place(told, parameter.data, weights[name], lambda: probe.backward(upstream.copy()))
            return fault(Diagnosis("data changed", name, mode, text), parameter.data.shape, note)
    return None


def is_twin(path: str, array: Array, name: str, data: Array) -> bool:
    """Return whether an array under another name is the data of a parameter."""
    return path.rpartition(".")[2] != name.rpartition(".")[2] and bool(np.shares_memory(array, data))


def fill_gradients(probe: Probe) -> dict[str, Array]:
    """Fill the gradients of all parameters with random numbers; return these by name."""
    rng = np.random.default_rng(0)
    filled = {}
    for name, parameter in probe.layer.named_parameters():
        filled[name] = parameter.grad[...] = rng.standard_normal(parameter.grad.shape)
    return filled


def wrong_result(probe: Probe, upstream: Array, result: Any, mode: str) -> Findings:
    """Return what is wrong with something that is not an array like the inputs."""
    shape, fault_text = probe.x.shape, wrong_kind(result, probe.x) or ""
    name = "no gradient" if result is None else "wrong dtype"
    text = f"{fault_text}: backward returns dL/dx, an array like x"
    if isinstance(result, np.ndarray) and result.shape != shape:
        name, _, _, text = explain(result, shape, probe.differences(upstream, "inputs"), "inputs", mode)
        if result.shape[1:] == shape and result.shape[0] == kept_values(probe):
            name, text = "take gave a tuple", f"{fault_text}: take gave all that was kept: x, s = self.take()"
    return fault(Diagnosis(name, "inputs", mode, text), shape, fault_text)


def kept_values(probe: Probe) -> int:
    """Return how many values forward keeps."""
    probe.forward()
    return len(probe.layer.kept)


def repeated(first: Array, second: Array, filled: Array | None) -> tuple[str, str, str]:
    """Return note, name and sentence for a second backward that gives another gradient than the first."""
    note = "the second backward gives another gradient than the first"
    if filled is not None and np.array_equal(second, filled):
        return "backward never writes this gradient", "never written", "backward never writes it: parameter.grad = ..."
    if filled is not None and relative_error(second - filled, first, norm(first)) < 1e-9:
        return note, "accumulates", f"{note}: it is added to what was there; overwrite it (grad = ..., not grad += ...)"
    if relative_error(second, 2.0 * first, norm(first)) < 1e-9:
        return note, "accumulates", f"{note}, twice as much: something is added up over calls and never reset"
    text = (
        f"{note}: it depends on earlier calls (on what forward moves in each call, as running statistics are), or on "
        "random numbers drawn in backward"
    )
    return note, "not repeatable", text


def right_for(probe: Probe, upstream: Array, error: BaseException, names: Mapping[int, str]) -> dict[str, Array] | None:
    """Return the right gradient of the parameter that refused one of another shape, by its name; None if none did."""
    refused = refused_gradient(error)
    name = names.get(id(refused[0])) if refused else None
    return None if name is None else {name: probe.differences(upstream, name)}
