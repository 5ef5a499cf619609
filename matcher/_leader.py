"""LEADER as an ONNX graph: the network that finds the minutiae of a print in one pass.

R. Cappelli, M. Ferrara, "LEADER: Lightweight End-to-end Attention-gated Dual Encoder-decodeR" (arXiv 2602.15493, 2026).
Its trained weights (0.9 million, MIT licence) come with the package ``pyfing`` as a Keras file; this module reads them from
there without importing that package, which would ask for TensorFlow and OpenCV, and writes the network down anew for
onnxruntime. In reading order: two stems look at the grey levels; a U-shaped *context* encoder-decoder, gated by dilated
attention, says where ridges are; a second U, of inverted bottlenecks, *refines*; three heads give position, direction and
type; blurring and a 7 x 7 maximum leave one peak for each minutia.

The graph computes the same function as the published one, to rounding, with less work:

- two linear layers in a row (a bottleneck's reduction and adjustment) are multiplied out into one;
- the two convolutions of a stem, plain and dilated, are one of 9 x 9;
- what follows a head's doubling works pixel by pixel, so it is done before the doubling, on a quarter of the pixels; the
  last convolution, which is not, becomes four small ones, one for each of the pixels that a pixel doubles into.

Layout is NCHW; kernels are stored as Keras has them, (height, width, in, out).
"""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Weights = dict[str, list[NDArray[np.float64]]]

MULTIPLE: Final = 32
"""Both sides of an input must be a multiple of this many pixels: the encoders halve them five times."""

WEIGHTS_SHA256: Final = "0cbf12af936482d10ba54b23f40a9b192ab767df2f81bc96c5954585735fefe6"
"""Of ``models/LEADER.weights.h5`` in pyfing 0.7.3."""

_EPSILON: Final = 1e-3  # Keras' default in LayerNormalization
_CONTEXT: Final = (16, 32, 64, 128)
_REFINEMENT: Final = (32, 64, 128, 32)
_OPSET: Final = 20  # the first with Gelu


class WeightsError(RuntimeError):
    """The network's trained weights are not there, or are not those this graph was written for."""


def network() -> bytes:
    """Return the network as a serialised ONNX model.

    Input ``grey``: float32 (1, 1, height, width), 0 black to 255 white, sides multiples of :data:`MULTIPLE`. Outputs at
    the same size: ``quality`` (1, 1, h, w), a minutia's probability at its one peak pixel and 0 elsewhere; ``direction``
    (1, 2, h, w), a cosine and sine not normalised, counter-clockwise as seen; ``ending`` (1, 1, h, w), the probability of
    being a ridge ending rather than a bifurcation.

    Raises:
        WeightsError: the installed package ``pyfing`` does not hold the weights expected.

    """
    graph = _Graph(_weights())
    heads = _heads(graph, _refine(graph, *_attend(graph)))
    position = graph.op("Sigmoid", graph.last(heads[0], "head_conv_pos"))
    blurred = graph.conv(position, graph.weights["nms_Gaussian_blur"][0])
    highest = graph.op("MaxPool", blurred, kernel_shape=[7, 7], pads=[3] * 4)
    peak = graph.op("Cast", graph.op("Equal", blurred, highest), to=TensorProto.FLOAT)
    graph.op("Mul", blurred, peak, name="quality")
    graph.op("Identity", graph.last(heads[1], "head_conv_dir"), name="direction")
    graph.op("Sigmoid", graph.last(heads[2], "head_conv_typ"), name="ending")
    return graph.serialised({"grey": 1}, {"quality": 1, "direction": 2, "ending": 1})


def _attend(graph: _Graph) -> tuple[str, str]:
    """Return the grey levels' features gated by context, and those of the second stem, both at half size."""
    x = graph.stem("grey", "stem0", "MaxPool")
    skips = []
    for i, channels in enumerate(_CONTEXT):
        skips.append(graph.separable(x, f"enc0_{i}"))
        x = graph.down(skips[-1], channels)
    for i in (3, 2, 1, 0):
        x = graph.concat(graph.up(graph.separable(x, f"dec0_{i}")), skips[i])
    views = [graph.gelu(graph.conv(x, *graph.weights[f"attention_conv_d{step}"], dilation=step)) for step in (1, 3, 6)]
    gate = graph.op("Sigmoid", graph.conv(graph.concat(*views), *graph.weights["attention_s"]))
    return graph.op("Mul", x, gate), graph.stem("grey", "stem1", "AveragePool")


def _refine(graph: _Graph, gated: str, fine: str) -> str:
    """Return the features of the second encoder-decoder, 52 channels at half size."""
    x = graph.concat(gated, fine)
    skips = []
    for i, channels in enumerate(_REFINEMENT):
        skips.append(graph.bottleneck(x, f"enc1_{i}"))
        x = graph.down(skips[-1], channels)
    for i in (3, 2, 1, 0):
        x = graph.concat(graph.up(graph.bottleneck(x, f"dec1_{i}")), skips[i])
    return x


def _heads(graph: _Graph, x: str) -> list[str]:
    """Return the four channels each of position, direction and type, at half size."""
    heads = []
    for name in ("head_0", "head_1", "head_2"):
        y = graph.conv(graph.bottleneck(x, f"{name}_ibc"), *graph.weights[f"{name}_conv1"])
        heads.append(graph.gelu(graph.conv(graph.normalise(y, f"{name}_ln"), *graph.weights[f"{name}_conv2"])))
    return heads


class _Graph:
    """An ONNX graph in the making; every method adds nodes and returns the name of what they compute."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def conv(
        self, x: str, kernel: NDArray[Any], bias: NDArray[Any] | None = None, *, dilation: int = 1, group: int = 1
    ) -> str:
        inputs = [x, self.constant(kernel.transpose(3, 2, 0, 1))]
        if bias is not None:
            inputs.append(self.constant(bias))
        pads = [(len(kernel) - 1) // 2 * dilation] * 4
        return self.op("Conv", *inputs, pads=pads, dilations=[dilation] * 2, group=group)

    def depthwise(self, x: str, kernel: NDArray[Any]) -> str:
        return self.conv(x, kernel.transpose(0, 1, 3, 2), group=kernel.shape[2])

    def normalise(self, x: str, name: str) -> str:
        """Normalise over the channels of each pixel."""
        scale, offset = map(self.constant, self.weights[name])
        x = self.op("Transpose", x, perm=[0, 2, 3, 1])
        x = self.op("LayerNormalization", x, scale, offset, axis=-1, epsilon=_EPSILON)
        return self.op("Transpose", x, perm=[0, 3, 1, 2])

    def gelu(self, x: str) -> str:
        return self.op("Gelu", x)

    def concat(self, *xs: str) -> str:
        return self.op("Concat", *xs, axis=1)

    def halve(self, kind: str, x: str) -> str:
        return self.op(kind, x, kernel_shape=[2, 2], strides=[2, 2])

    def up(self, x: str) -> str:
        """Double both sides, each pixel into four equal ones."""
        scales = self.constant([1, 1, 2, 2])
        attributes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return self.op("Resize", x, "", scales, **attributes)

    def down(self, x: str, channels: int) -> str:
        """Halve both sides: the first half of the channels by their maximum, the second by their mean."""
        first, second = f"{x}_first", f"{x}_second"
        sizes = self.constant([channels // 2, channels - channels // 2], np.int64)
        self.nodes.append(helper.make_node("Split", [x, sizes], [first, second], axis=1))
        return self.concat(self.halve("MaxPool", first), self.halve("AveragePool", second))

    def stem(self, x: str, name: str, pooling: str) -> str:
        """Convolve 5 x 5 both plainly and with a dilation of 2, as one 9 x 9; then halve."""
        (plain, plain_bias), (dilated, dilated_bias) = (
            self.weights[f"{name}_{kind}"] for kind in ("conv", "dilated_conv")
        )
        channels = len(plain_bias)
        kernel = np.zeros((9, 9, 1, 2 * channels))
        kernel[2:7, 2:7, :, :channels] = plain
        kernel[::2, ::2, :, channels:] = dilated
        x = self.conv(x, kernel, np.concatenate([plain_bias, dilated_bias]))
        return self.halve(pooling, self.gelu(self.normalise(x, f"{name}_ln")))

    def separable(self, x: str, name: str) -> str:
        depthwise, pointwise, bias = self.weights[f"{name}_conv"]
        x = self.conv(self.depthwise(x, depthwise), pointwise, bias)
        return self.gelu(self.normalise(x, f"{name}_ln"))

    def bottleneck(self, x: str, name: str) -> str:
        """Add an inverted bottleneck (7 x 7 by channel, four times the channels, back) to ``x`` and adjust the channels.

        With E the expanded features, R the reduction and A the adjustment: A (x + R E) = A x + (A R) E.
        """
        parts = ("depthwise_conv", "conv_exp", "conv_red", "conv_adj")
        (depthwise,), expansion, (reduction, reduction_bias), (adjustment, bias) = (
            self.weights[f"{name}_{part}"] for part in parts
        )
        y = self.normalise(self.depthwise(x, depthwise), f"{name}_ln")
        y = self.conv(self.gelu(self.conv(y, *expansion)), reduction @ adjustment)
        return self.op("Add", y, self.conv(x, adjustment, bias + reduction_bias @ adjustment[0, 0]))

    def last(self, x: str, name: str) -> str:
        """Double both sides of ``x`` and convolve 5 x 5, without doubling.

        Of the five taps of an even pixel along one side two fall on the pixel before, two on its own and one on the next,
        of an odd pixel one, two and two; so each of the four pixels made of one sees a 3 x 3 kernel of summed taps.
        """
        kernel, bias = self.weights[name]
        even = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]])
        odd = even[::-1, ::-1]
        four = [np.einsum("ay,bx,yxio->abio", rows, cols, kernel) for rows in (even, odd) for cols in (even, odd)]
        x = self.conv(x, np.concatenate(four, axis=-1), np.tile(bias, 4))
        return self.op("DepthToSpace", x, blocksize=2, mode="DCR")

    def serialised(self, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        """Return the model; ``inputs`` and ``outputs`` map names to channels."""
        inside, outside = (
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "height", "width"])
                for name, channels in ends.items()
            ]
            for ends in (inputs, outputs)
        )
        graph = helper.make_graph(self.nodes, "LEADER", inside, outside, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
        return bytes(model.SerializeToString())


def _weights() -> Weights:
    """Return each layer's arrays, by the layer's name, in Keras' order."""
    path = _weights_path()
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != WEIGHTS_SHA256:
        raise WeightsError(
            f"the LEADER weights should be {path} with SHA-256 {WEIGHTS_SHA256}; "
            f"found {found if content else 'no such file'}: install the version of pyfing in requirements/runtime.lock"
        )
    with h5py.File(io.BytesIO(content), "r") as file:
        layers = [layer["vars"] for layer in file["layers"].values() if len(layer["vars"])]
        return {
            arrays.attrs["name"]: [arrays[str(i)][()].astype(np.float64) for i in range(len(arrays))]
            for arrays in layers
        }


def _weights_path() -> Path:
    """Return where ``pyfing`` keeps the weights; finding a package does not run its code."""
    spec = find_spec("pyfing")
    if spec is None or spec.origin is None:
        raise WeightsError(
            "the LEADER weights come with the package pyfing, which is not installed: install requirements/runtime.lock"
        )
    return Path(spec.origin).parent / "models" / "LEADER.weights.h5"
