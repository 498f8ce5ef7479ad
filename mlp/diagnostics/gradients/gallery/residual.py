"""Wrong containers: gradients of paths that part are added, and layers are gone through in reverse order."""

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Affine, LeakyReLU, Residual, Sequential, Tanh
from mlp.typing import Array


class NoShortcut(Residual):
    """The gradient of the shortcut is not added."""

    def backward(self, grad_outputs: Array) -> Array:
        self.shortcut.backward(grad_outputs)
        return self.body.backward(grad_outputs)


class NoBody(Residual):
    """The gradient of the body is not added."""

    def backward(self, grad_outputs: Array) -> Array:
        self.body.backward(grad_outputs)
        return self.shortcut.backward(grad_outputs)


class ShortcutAfterBody(Residual):
    """The shortcut gets the gradient that the body gives, not the one that came."""

    def backward(self, grad_outputs: Array) -> Array:
        grad_body = self.body.backward(grad_outputs)
        return grad_body + self.shortcut.backward(grad_body)


class ForwardOrder(Sequential):
    """Backward goes through the layers in the order of forward."""

    def backward(self, grad_outputs: Array) -> Array:
        for layer in self.layers.values():
            grad_outputs = layer.backward(grad_outputs)
        return grad_outputs


class OneLayerLeftOut(Sequential):
    """Backward leaves the first layer out."""

    def backward(self, grad_outputs: Array) -> Array:
        for layer in list(self.layers.values())[:0:-1]:
            grad_outputs = layer.backward(grad_outputs)
        return grad_outputs


BUGS = [
    PlantedBug(NoShortcut, "shortcut missing", lambda: (Affine(3, 3),), (4, 3)),
    PlantedBug(NoShortcut, "shortcut missing", lambda: (Affine(3, 2), Affine(3, 2)), (4, 3)),
    PlantedBug(NoBody, "path missing", lambda: (Affine(3, 3),), (4, 3)),
    PlantedBug(ShortcutAfterBody, "wiring", lambda: (Affine(3, 3), Affine(3, 3)), (4, 3)),
    PlantedBug(ForwardOrder, "wiring", lambda: (Affine(3, 3), LeakyReLU(0.1)), (4, 3)),
    PlantedBug(OneLayerLeftOut, "wiring", lambda: (Tanh(), Affine(3, 3)), (4, 3)),
]
