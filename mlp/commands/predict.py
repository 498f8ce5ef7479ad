"""Show what the model of a run sees in your images: a table of the five most likely classes, and a figure.

    python scripts/predict.py runs/vgg38 cat.jpg dog.png
    python scripts/predict.py runs/vgg38 images.npy --out what.png

Pictures of another size are made to fit as in the training of the run: their middle square is cut out, or the whole
picture is squeezed (--image-fit in scripts/train.py --help); the table says so. Arrays in .npy files hold bytes,
(H, W, 3) or (N, H, W, 3).
"""

from mlp import plotting
from mlp.commands.command_line import CommandLine, mention_left_out
from mlp.commands.shared.flags import add_checkpoint_flag, add_data_flag, add_device_flag, add_trust_flag
from mlp.commands.shared.paths import file_argument, path_argument
from mlp.commands.shared.pictures import picture_path, write_picture
from mlp.errors import each_of
from mlp.experiments.images import read_picture
from mlp.experiments.loading import load_run
from mlp.experiments.run_folder import RunFolder
from mlp.files import named_path

MOST_DRAWN = 40  # images in one picture


def main() -> int:
    parser = CommandLine(__doc__)
    parser.add_argument("run", metavar="RUN", type=path_argument, help="the folder of a run")
    text = "a picture, or an .npy file of bytes"
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=path_argument, help=text)
    add_checkpoint_flag(parser)
    add_data_flag(parser, "folder with the data sets, for older runs that do not name their classes")
    add_trust_flag(parser)
    add_device_flag(parser)
    parser.add_argument("--out", type=file_argument, help="where to draw the picture (default: RUN/predictions.png)")
    arguments = parser.parse_args()
    run, files = arguments.run, arguments.images
    out = picture_path(arguments.out, run, "predictions.png", files)
    options = {"data_dir": arguments.data_dir, "device": arguments.device, "trust_code": arguments.trust_code}
    loaded = load_run(run, arguments.checkpoint, **options)
    read, problems = each_of(
        files, lambda file: read_picture(named_path(file), loaded.image_shape, loaded.config.image_fit)
    )
    if not read:
        return mention_left_out(problems)
    predictions = loaded.classify([picture for pictures in read for picture in pictures])
    RunFolder(run).mention_changed_code()

    print(predictions)
    for prediction in predictions:
        if prediction.note:
            print(f"{prediction.path}: {prediction.note}")
    write_picture(out, plotting.predictions(predictions[:MOST_DRAWN]))
    rest = f", the first {MOST_DRAWN} images" if len(predictions) > MOST_DRAWN else ""
    print(f"picture: {out}{rest}")
    return mention_left_out(problems)
