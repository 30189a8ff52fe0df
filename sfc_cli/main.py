"""The Typer app, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sfc_cli.commands.convert import convert
from sfc_cli.commands.download import download
from sfc_cli.commands.evaluate import evaluate
from sfc_cli.commands.examples import EXAMPLES
from sfc_cli.commands.help_screens import PanelCommand, write_examples
from sfc_cli.commands.optional_values import OptionalValueCommand
from sfc_cli.commands.options import DEBUG_KEY, KEPT_KEY, in_options
from sfc_cli.commands.pretrain import pretrain
from sfc_cli.commands.propagate import propagate
from sfc_cli.commands.studio import studio
from sfc_cli.errors import InputError, SfcError
from sfc_cli.version import __version__

# What the loader of shared libraries says.
_SYSTEM_LIBRARY = re.compile(
    r"(lib(?:GL|xcb|X11|Xext|SM|ICE|glib|gthread)\S*\.so\S*): cannot open shared object"
)


class _ErrorsToMessages(TyperGroup):
    """Runs the command and turns what it raises into one line on standard error."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click's own name
        """Write the examples as they are typed."""
        write_examples(self.epilog, formatter)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SfcError as error:
            if ctx.meta.get(DEBUG_KEY):
                raise
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            typer.echo(f"error: {in_options(str(error), command)}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            kept = ctx.meta.get(KEPT_KEY, lambda: "no file is half written")
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            typer.echo(f"interrupted; {in_options(kept(), command)}", err=True)
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except OSError as error:
            # What no reader or writer foresaw, such as a folder that may not be listed.
            if ctx.meta.get(DEBUG_KEY) or not _is_bug(error):
                raise
            path = f"{error.filename}: " if error.filename else ""
            typer.echo(
                f"error: {path}{error.strerror or error}. Check the path and its permissions.", err=True
            )
            raise typer.Exit(InputError.exit_code) from None
        except ImportError as error:
            # OpenCV's wheels with windows need libraries that servers lack.
            library = _SYSTEM_LIBRARY.match(str(error))
            if ctx.meta.get(DEBUG_KEY) or library is None:
                raise
            typer.echo(
                f"error: {library[1]} is missing on this system, and OpenCV needs it. Install it "
                "(Debian and Ubuntu: apt-get install libgl1 libglib2.0-0 libxcb1), or replace OpenCV by the "
                "build without windows: pip uninstall opencv-python, pip install opencv-python-headless.",
                err=True,
            )
            raise typer.Exit(InputError.exit_code) from None
        except Exception as error:
            if ctx.meta.get(DEBUG_KEY) or not _is_bug(error):
                raise
            text = " ".join(str(error).split()) or "no message"
            typer.echo(
                f"error: unexpected {type(error).__name__}: {text}. This is a bug in sfc: "
                "run the same command with --debug and report what it prints.",
                err=True,
            )
            raise typer.Exit(1) from None


def _is_bug(error: Exception) -> bool:
    """Return whether an error is a failure of ours; Typer's usage errors print themselves."""
    return not hasattr(error, "exit_code")


app = typer.Typer(
    cls=_ErrorsToMessages,
    name="sfc",
    help="Masks for every frame of a video from the mask of its first frame, and the training and scoring "
    "around it: Semantic-Aware Fine-Grained Correspondence (SFC, ECCV 2022).",
    epilog=EXAMPLES[""],
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"sfc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for command in (propagate, studio, convert, evaluate, download, pretrain):
    kind = OptionalValueCommand if command is propagate else PanelCommand
    app.command(cls=kind, epilog=EXAMPLES[command.__name__])(command)


def main() -> None:
    """Run ``sfc`` with the arguments of the process."""
    # Masks and tables may hold names that an ASCII terminal cannot show: better a `?` than a crash.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
