"""Commands load what they need, so that --help answers at once."""

import subprocess
import sys

import pytest

import mlp

WITHOUT = {  # module -> what it must not load
    "mlp.commands.shared.main": ("matplotlib", "mlp.layers", "mlp.training"),
    "mlp.commands.train": ("matplotlib", "mlp.diagnostics.gradients", "mlp.reproduction"),
    "mlp.commands.check": ("matplotlib", "mlp.training", "mlp.experiments"),
    "mlp.commands.reproduce": ("matplotlib", "mlp.diagnostics.gradients"),
}


@pytest.mark.parametrize("module", WITHOUT)
def test_what_a_command_does_not_load(module):
    code = f"import {module}, sys; print([name for name in {WITHOUT[module]} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["diagnostics", "plotting"])
def test_names_that_are_loaded_when_asked_for(package):
    module = getattr(mlp, package)
    homes = {name for names in module.HOMES.values() for name in names}
    assert homes <= set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing
