"""People who come from another library type its names: each gets a sentence with ours."""

import numpy as np
import pytest

import mlp
from mlp.errors import ConfigurationError, DataError, MlpError, OtherNameError, ShapeError
from mlp.layers import Affine, Conv2d, Sequential


@pytest.mark.parametrize(
    "module, name, ours",
    [
        ("layers", "Linear", "Affine"),
        ("layers", "BatchNorm2d", "BatchNorm"),
        ("learning_rules", "SGD", "GradientDescent"),
        ("losses", "CrossEntropyLoss", "SoftmaxCrossEntropy"),
        ("schedulers", "CosineAnnealingLR", "cosine"),
        ("models", "VGG", r"vgg\(depth=38\)"),
        ("data", "DataLoader", "Batches"),
        ("training", "Callback", "Hook"),
    ],
)
def test_a_name_of_another_library_says_ours(module, name, ours):
    with pytest.raises(OtherNameError, match=f"mlp.{module} has no {name}: write {ours}"):
        getattr(getattr(mlp, module), name)
    with pytest.raises(OtherNameError, match=ours):
        exec(f"from mlp.{module} import {name}")


def test_a_name_that_nobody_knows_is_missing_as_usual():
    with pytest.raises(AttributeError, match="has no attribute 'Xyzzy'$"):
        mlp.layers.Xyzzy  # noqa: B018
    for module, name, similar in (("layers", "maxpool", "MaxPool2d"), ("plotting", "curve", "curves")):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}': did you mean {similar}?"):
            getattr(getattr(mlp, module), name)
    assert not hasattr(mlp.losses, "nonsense")


def test_the_names_that_are_said_exist():
    """What a hint says can be typed: its first word is a name of the module, or a dotted one."""
    for module in ("layers", "learning_rules", "losses", "schedulers", "models", "data"):
        part = getattr(mlp, module)
        (ours,) = [cell.cell_contents for cell in part.__getattr__.__closure__ if isinstance(cell.cell_contents, dict)]
        for sentence in ours.values():
            name = sentence.partition(",")[0].partition("(")[0]
            place = mlp if name.startswith("mlp.") else part
            for word in name.removeprefix("mlp.").split("."):
                place = getattr(place, word)


@pytest.mark.parametrize(("name", "ours"), [("nn", "mlp.layers"), ("optim", "mlp.learning_rules")])
def test_rooms_of_another_library_are_answered(name, ours):
    with pytest.raises(OtherNameError, match=f"mlp has no {name}: write {ours}"):
        getattr(mlp, name)


@pytest.mark.parametrize("name", ["layers.Conv2d", "learning_rules.Adam", "losses.SoftmaxCrossEntropy", "models.vgg"])
def test_what_a_part_has_is_not_at_the_top(name):
    with pytest.raises(OtherNameError, match=f"mlp has no {name.partition('.')[2]}: write mlp.{name} "):
        getattr(mlp, name.partition(".")[2])
    assert not hasattr(mlp, "nonsense")


@pytest.mark.parametrize(
    ("rule", "setting", "ours"),
    [
        ("Adam", "lr", "learning_rate"),
        ("Adam", "betas", "beta1 and beta2"),
        ("GradientDescent", "momentum", "the rule Momentum"),
        ("RMSProp", "alpha", "decay"),
        ("AdamW", "nonsense", "its settings as the class names them"),
    ],
)
def test_a_setting_of_another_library_says_ours(rule, setting, ours):
    with pytest.raises(ConfigurationError, match=f"^{rule} has no setting {setting}: write {ours}$"):
        getattr(mlp.learning_rules, rule)(**{setting: 0.1})


def test_classes_in_place_of_objects_and_arrays_in_place_of_sets():
    model, loss = Sequential(Affine(2, 3)), mlp.losses.SoftmaxCrossEntropy
    with pytest.raises(ConfigurationError, match=r"the learning rule must be made first: write Adam\(\), not Adam"):
        mlp.training.Trainer(model, loss(), mlp.learning_rules.Adam)
    with pytest.raises(ConfigurationError, match=r"expected Trainer\(model, loss, rule\), and the loss is"):
        mlp.training.Trainer(model, mlp.learning_rules.Adam(), loss())
    with pytest.raises(ConfigurationError, match=r"the loss must be made first: write SoftmaxCrossEntropy\(\)"):
        mlp.training.Trainer(model, loss, mlp.learning_rules.Adam())
    with pytest.raises(
        ConfigurationError, match=r"batches are made of an ImageSet, got ndarray: write mlp.data.ImageSet"
    ):
        mlp.data.Batches(np.zeros((4, 8, 8, 3), np.uint8), 2)


def test_load_dataset_in_python_advises_no_flags(tmp_path):
    for name in ("cifar100", "mnist", "indian_pines", "folder:nowhere", "npz:nowhere.npz"):
        with pytest.raises(MlpError) as caught:
            mlp.data.load_dataset(name, tmp_path)
        assert "--" not in str(caught.value)


def test_layers_and_losses_are_not_called():
    with pytest.raises(TypeError, match=r"Affine is not called: write \.forward\(x\)"):
        Affine(2, 3)(np.zeros((1, 2), np.float32))
    with pytest.raises(TypeError, match=r"write loss.forward\(outputs, targets\)"):
        mlp.losses.SoftmaxCrossEntropy()(np.zeros((1, 2), np.float32), np.zeros(1, int))


def test_images_with_channels_first_are_recognized():
    with pytest.raises(
        ShapeError, match=r"for images \(N, C, H, W\), as PyTorch has them, write np.moveaxis\(x, 1, -1\)"
    ):
        Conv2d(3, 4, kernel_size=3).forward(np.zeros((2, 3, 8, 8), np.float32))


def trainer(**options):
    model = Sequential(mlp.layers.Flatten(), Affine(8 * 8 * 3, 5))
    return mlp.training.Trainer(model, mlp.losses.SoftmaxCrossEntropy(), mlp.learning_rules.Adam(), **options)


def test_a_number_is_no_schedule():
    with pytest.raises(ConfigurationError, match=r"got 0.001: write mlp.schedulers.constant\(0.001\)"):
        trainer(schedule=1e-3)


def test_image_sets_are_no_batches(capsys):
    train, valid = mlp.data.synthetic(40, 20, image_size=8, num_classes=5)
    with pytest.raises(
        ConfigurationError, match=r"train_batches must be batches, got ImageSet.*: write mlp.data.Batches\("
    ):
        trainer().fit(train, valid)
    batches = mlp.data.Batches(train, 20)
    with pytest.raises(ConfigurationError, match="valid_batches must be batches"):
        trainer().fit(batches, valid)


def test_fit_again_says_what_is_there(capsys):
    train, _ = mlp.data.synthetic(40, 20, image_size=8, num_classes=5)
    batches, fitted = mlp.data.Batches(train, 20), trainer(hooks=[mlp.training.Progress()])
    fitted.fit(batches, epochs=2)
    assert "nan" not in capsys.readouterr().out  # no validation images, no numbers of them
    fitted.fit(batches, epochs=2)
    assert "2 epochs are done already. fit(..., epochs=4) continues" in capsys.readouterr().out
    assert fitted.epoch == 2


def test_a_history_shows_itself():
    train, valid = mlp.data.synthetic(40, 20, image_size=8, num_classes=5)
    history = trainer().fit(mlp.data.Batches(train, 20), mlp.data.Batches(valid, 20), epochs=2)
    assert repr(mlp.training.History()) == "History(no epochs yet)"
    assert repr(history).startswith("History(2 epochs; the last: train_loss ")
    with pytest.raises(ConfigurationError, match=r"history\.column\('val_acc'\) gives a metric over the epochs"):
        history["val_acc"]
    page = history._repr_html_()
    assert page.count("<svg") == 2 and "validation" in page
    alone = trainer().fit(mlp.data.Batches(train, 20), epochs=1)
    for text in (repr(alone), alone._repr_html_()):
        assert "train_loss" in text and "nan" not in text and "val" not in text


def test_images_with_channels_first_and_a_history_in_place_of_its_table():
    with pytest.raises(
        DataError, match=r"got \(2, 3, 32, 32\): for \(N, C, H, W\), .* write np.moveaxis\(images, 1, -1\)"
    ):
        mlp.data.ImageSet(np.zeros((2, 3, 32, 32), np.uint8), np.array([0, 1]), ("a", "b"))
    with pytest.raises(ConfigurationError, match="got History: give history.gradient_flow"):
        mlp.plotting.gradient_flow(mlp.training.History())
    with pytest.raises(ConfigurationError, match="no gradient flow was recorded: give the trainer hooks="):
        mlp.plotting.gradient_flow(None)
