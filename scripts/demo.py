"""See in three minutes why a deep network does not train, and what repairs it.

Trains three networks on the built-in synthetic images (small images, few filters): 8 layers, 38 layers, and 38 layers
with batch normalization and residual connections. (The first two are "plain": they have batch normalization in the
input block only.) Writes a picture and a table to runs/demo/.
"""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, start

    begin()

import mlp
from mlp.commands.command_line import CommandLine
from mlp.commands.shared.paths import folder_argument
from mlp.files import write_figure, write_text
from mlp.pages.markdown import markdown

NETWORKS = {
    "VGG08, plain": {"depth": 8},
    "VGG38, plain": {"depth": 38},
    "VGG38, BN + RC": {"depth": 38, "norm": "batch", "residual": True},
}
CLASSES, BATCH_SIZE = 20, 50


def train(label, settings, data, epochs):
    """Train one network; return its model and history."""
    train_set, valid_set = data
    train_batches = mlp.data.Batches(train_set, BATCH_SIZE, augment=True, shuffle=True)
    valid_batches = mlp.data.Batches(valid_set, BATCH_SIZE)
    model = mlp.models.vgg(num_classes=CLASSES, filters=16, **settings)
    schedule = mlp.schedulers.cosine(3e-3, 2e-5, steps=epochs * len(train_batches))
    hooks = [mlp.diagnostics.GradientFlow(), mlp.training.Progress()]
    print(f"\n{label}: {model.num_parameters:,} parameters")
    loss, rule = mlp.losses.SoftmaxCrossEntropy(), mlp.learning_rules.Adam()
    return model, mlp.training.Trainer(model, loss, rule, schedule, hooks).fit(train_batches, valid_batches, epochs)


def table(results):
    """Return the results as a Markdown table."""
    header = ["network", "parameters", "training loss", "training accuracy", "gradient at the input", "at the output"]
    rows = []
    for label, (model, history) in results.items():
        row, flow = history.rows[-1], history.gradient_flow["mean_abs"][-1]
        numbers = [f"{row['train_loss']:.3f}", f"{row['train_acc']:.1%}", f"{flow[0]:.1e}", f"{flow[-1]:.1e}"]
        rows.append([label, f"{model.num_parameters:,}", *numbers])
    loss = mlp.losses.chance_loss(CLASSES)
    chance = f"Chance: loss ln {CLASSES} = {loss:.3f}, accuracy {1 / CLASSES:.1%}. Gradients: mean |g|."
    return f"{markdown(header, rows)}\n\n{chance}\n"


def main():
    parser = CommandLine(__doc__)
    parser.add_argument("--epochs", type=int, default=15, help="passes over the 2,000 images (default 15)")
    parser.add_argument("--out", type=folder_argument, default="runs/demo", help="folder for picture and table")
    arguments = parser.parse_args()
    if arguments.epochs < 1:
        parser.error(f"--epochs must be at least 1, got {arguments.epochs}")

    arguments.out.mkdir(parents=True, exist_ok=True)
    data = mlp.data.synthetic(num_train=2000, num_test=500, image_size=16, num_classes=CLASSES)
    results = {label: train(label, settings, data, arguments.epochs) for label, settings in NETWORKS.items()}

    picture, text = arguments.out / "story.png", arguments.out / "story.md"
    histories = {label: history for label, (_, history) in results.items()}
    write_figure(picture, mlp.plotting.story(histories, chance=mlp.losses.chance_loss(CLASSES)))
    write_text(text, table(results))
    print(f"\n{table(results)}\npicture: {picture}\ntable:   {text}")


if __name__ == "__main__":
    start(main)
