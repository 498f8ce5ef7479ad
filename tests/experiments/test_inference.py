"""Evaluation and prediction: the numbers, and the errors."""

import json

import numpy as np
import pytest

import mlp
from mlp.commands import evaluate, predict, train
from mlp.experiments.inference import Evaluation, evaluate_run
from mlp.experiments.loading import softmax


def test_top_k_counts_equal_logits_as_argmax_does():
    logits = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [5.0, 1.0, 2.0], [1.0, 1.0, 0.0]])
    evaluation = Evaluation(0.0, np.array([1, 1, 0, 1]), logits, ["a", "b", "c"])
    assert evaluation.top(1) == (logits.argmax(axis=1) == evaluation.targets).mean() == 0.25
    assert evaluation.top(2) == 1.0


def test_the_table_of_classes():
    guesses = [0, 0, 1, 1, 1, 2, 0]
    evaluation = Evaluation(0.0, np.array([0, 0, 0, 1, 1, 1, 1]), np.eye(4)[guesses], ["a", "b", "c", "d"])
    assert evaluation.classes() == [("b", 4, 0.5, "a", 1), ("a", 3, 2 / 3, "b", 1)]


def test_the_test_split_gives_the_numbers_of_the_run(finished):
    evaluation = evaluate_run(finished)
    test = json.loads((finished / "test.json").read_text())
    assert evaluation.loss == pytest.approx(test["test_loss"], rel=1e-6)
    assert evaluation.top(1) == pytest.approx(test["test_acc"], rel=1e-6)
    assert 0.3 < evaluation.top(1) < 1.0
    assert evaluation.top(4) == 1.0
    assert [len(evaluate_run(finished, split).targets) for split in ("train", "valid", "test")] == [228, 12, 40]


def test_images_of_a_short_last_batch_count_as_much_as_others(finished):
    """The validation images come as 10 and 2."""
    evaluation, history = evaluate_run(finished, "valid"), mlp.load_run(finished).history
    row = history.rows[history.best_epoch - 1]
    assert row["val_acc"] == pytest.approx(evaluation.top(1), rel=1e-6)
    assert row["val_loss"] == pytest.approx(evaluation.loss, rel=1e-6)


def test_a_run_of_a_gpu_is_evaluated_on_the_cpu(finished, tmp_path, call):
    content = json.loads((finished / "config.json").read_text())
    content["settings"] |= {"device": "cuda:0", "engine": "cuda"}
    (tmp_path / "config.json").write_text(json.dumps(content))
    (tmp_path / "checkpoint-best.npz").write_bytes((finished / "checkpoint-best.npz").read_bytes())
    assert evaluate_run(tmp_path, device="cpu").loss == evaluate_run(finished).loss
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.uint8))
    assert call(evaluate, tmp_path, "--device", "cpu")[0] == 0
    assert call(predict, tmp_path, tmp_path / "a.npy", "--device", "cpu")[0] == 0


def test_both_checkpoints_can_be_asked_for(make_run):
    folder = make_run("bad", learning_rate=3.0, learning_rule="gradient_descent", schedule="constant", epochs=3, seed=1)
    with np.load(folder / "checkpoint-best.npz") as best, np.load(folder / "checkpoint-latest.npz") as latest:
        differ = int(best["epoch"]) != int(latest["epoch"])
    assert differ == (evaluate_run(folder).loss != evaluate_run(folder, checkpoint="latest").loss)


def test_evaluate_prints_tables(finished, call):
    status, text, error = call(evaluate, finished, "--split", "train", "--classes", 1)
    assert (status, error) == (0, "evaluation: 23 batches\n")
    lines = text.splitlines()
    assert lines[0] == f"{finished}, best weights, 228 images of train, means over images:"
    assert lines[1].split()[0] == "loss"
    assert "among the first five" not in text  # of four classes
    assert lines[4].split()[0] == "class"
    assert lines[6].startswith("...")
    assert lines[8:] == ["", f"confusion matrix: {finished}/confusion_train.png"]
    assert (finished / "confusion_train.png").read_bytes().startswith(b"\x89PNG")


def test_the_confusion_matrix_can_be_drawn_elsewhere(finished, call, tmp_path):
    status, text, _ = call(evaluate, finished, "--out", tmp_path / "new" / "matrix.svg")
    assert status == 0 and text.endswith("matrix.svg\n")
    svg = (tmp_path / "new" / "matrix.svg").read_text()
    assert "taken for" in svg and "stripes" in svg
    status, _, error = call(evaluate, finished, "--out", tmp_path / "matrix.doc")
    assert status == 2 and "--out must end in .png, .pdf, .svg" in error


def test_confusions_are_counted():
    evaluation = Evaluation(0.0, np.array([0, 0, 1, 2]), np.eye(3)[[0, 1, 1, 0]], ["a", "b", "c"])
    np.testing.assert_array_equal(evaluation.confusion(), [[1, 1, 0], [0, 1, 0], [1, 0, 0]])


def test_probabilities_and_their_order(finished, own_images):
    with np.load(own_images) as data:
        images = data["images"][:3]
    path = finished.parent / "three.npy"
    np.save(path, images)
    predictions = mlp.load_run(finished).predict([path], most=3)
    config = json.loads((finished / "config.json").read_text())["settings"]
    model = mlp.models.vgg(depth=8, norm="batch", num_classes=4, filters=config["filters"])
    mlp.training.load_model(finished / "checkpoint-best.npz", model)
    expected = softmax(model.forward(mlp.data.normalize(images)))
    for prediction, row, pixels in zip(predictions, expected, images, strict=True):
        np.testing.assert_allclose(prediction.probabilities, np.sort(row)[::-1][:3], rtol=1e-4)
        assert prediction.classes[0] == ("disc", "stripes", "noise", "dark")[row.argmax()]
        np.testing.assert_array_equal(prediction.pixels, pixels)


def test_predict_prints_a_table_and_draws(finished, tmp_path, call):
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.uint8))
    np.save(tmp_path / "b.npy", np.full((20, 10, 3), 90, np.uint8))
    before = {path.name for path in finished.iterdir()}
    status, text, error = call(predict, finished, tmp_path / "a.npy", tmp_path / "b.npy", "--out", tmp_path / "p.png")
    assert (status, error) == (0, "")
    lines = text.splitlines()
    assert lines[0].split() == ["image", "class", "probability"]
    assert len(lines) == 1 + 2 * 4 + 2
    assert sum(float(line.split()[-1].rstrip("%")) for line in lines[1:5]) == pytest.approx(100, abs=0.3)
    assert lines[-2] == f"{tmp_path / 'b.npy'}: 10 wide x 20 high: cut to the middle 10 x 10, resized to 8 x 8"
    assert (tmp_path / "p.png").stat().st_size > 5000
    assert {path.name for path in finished.iterdir()} == before
    assert call(predict, finished, tmp_path / "a.npy")[0] == 0
    (finished / "predictions.png").unlink()


def test_runs_of_older_versions_ask_the_data_for_the_classes(finished, tmp_path):
    content = json.loads((finished / "config.json").read_text())
    del content["facts"]
    (tmp_path / "config.json").write_text(json.dumps(content))
    (tmp_path / "checkpoint-best.npz").write_bytes((finished / "checkpoint-best.npz").read_bytes())
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.uint8))
    (new,), (old,) = (mlp.load_run(folder).predict([tmp_path / "a.npy"]) for folder in (finished, tmp_path))
    assert new.classes == old.classes
    np.testing.assert_array_equal(new.probabilities, old.probabilities)


def test_what_stands_in_the_way_is_one_line(finished, make_run, tmp_path, call):
    kept = tmp_path / "kept"  # as in docs/results: without weights
    kept.mkdir()
    (kept / "config.json").write_text((finished / "config.json").read_text())
    moved = tmp_path / "moved"
    moved.mkdir()
    content = json.loads((finished / "config.json").read_text())
    content["settings"]["dataset"] = "npz:no/such/file.npz"
    (moved / "config.json").write_text(json.dumps(content))
    (moved / "checkpoint-best.npz").write_bytes((finished / "checkpoint-best.npz").read_bytes())
    other = tmp_path / "other"
    other.mkdir()
    content = json.loads((finished / "config.json").read_text())
    content["settings"]["filters"] = 5
    del content["facts"]
    (other / "config.json").write_text(json.dumps(content))
    (other / "checkpoint-best.npz").write_bytes((finished / "checkpoint-best.npz").read_bytes())
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.uint8))
    cases = [
        (evaluate, (tmp_path,), "holds no run: there is no config.json in it"),
        (evaluate, (kept / "config.json",), "config.json is a file, and a run is a folder"),
        (evaluate, (kept,), "checkpoint-best.npz: the run has not finished an epoch, or is one of the kept results"),
        (evaluate, (moved,), "there is no file no/such/file.npz"),
        (evaluate, (other,), "belongs to another model"),
        (evaluate, (finished, "--split", "all"), "--split must be one of test, valid, train, got 'all'"),
        (evaluate, (finished, "--checkpoint", "first"), "--checkpoint must be one of best, latest, got 'first'"),
        (predict, (kept, "a.png"), "checkpoint-best.npz"),
        (predict, (other, tmp_path / "a.npy"), "belongs to another model"),
        (predict, (finished, "no.png"), "there is no file no.png"),
        (predict, (finished, "a.png", "--out", "a.xyz"), "--out must end in .png, .pdf, .svg, got a.xyz"),
    ]
    for script, arguments, message in cases:
        status, _, error = call(script, *arguments)
        assert status == 2, message
        assert message in error
        assert error.startswith(f"{script.__name__.rpartition('.')[2]}.py: ")
        assert error.count("\n") == 1


def test_logits_that_are_no_numbers_are_wrong():
    logits = np.array([[np.nan, np.nan], [1.0, 0.0]])
    assert Evaluation(0.0, np.array([0, 0]), logits, ["a", "b"]).top(1) == 0.5


@pytest.mark.slow
def test_a_changed_model_file_is_said(own_images, tmp_path, call):
    file = tmp_path / "net.py"
    source = "from mlp.layers import Affine, Flatten, Sequential\n"
    source += "def net(num_classes):\n    return Sequential(Flatten(), Affine(192, num_classes))\n"
    file.write_text(source)
    settings = {"dataset": f"npz:{own_images}", "model": f"{file}:net", "epochs": 2, "batch_size": 10}
    mlp.experiments.run(tmp_path / "run", settings, stop_after=1)
    assert "has changed" not in call(evaluate, tmp_path / "run", "--split", "valid", "--trust-code")[1]
    file.write_text(source + "# another\n")
    for words in ((evaluate, tmp_path / "run"), (train, "--resume", "--out", tmp_path / "run")):
        status, text, _ = call(*words, "--trust-code")
        assert status == 0
        assert f"note: {file} has changed since the run in {tmp_path / 'run'} began" in text
