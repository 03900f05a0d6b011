"""Draws a `Scene` with OpenGL, off screen, on the processor or a graphics card."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from snr_plugins.city import lighting_shaders, surface_shaders
from snr_plugins.city.camera import Camera
from snr_plugins.city.label_ids import Label
from snr_plugins.city.scene import Scene
from snr_plugins.errors import InputError

SUPERSAMPLING = 2
SHADOW_SIZE = 2048  # the shader of the sun holds the same number
NEAR, FAR = 0.4, 400.0  # metres
# The map from above that darkens the ground below objects: metres and pixels per metre.
SHADE_WIDTH, SHADE_LENGTH, SHADE_SCALE = 40.0, 80.0, 8
MAX_LAMPS, MAX_BEAMS = 12, 10


@dataclass(frozen=True)
class Labels:
    """What is seen at the centre of each pixel.

    Args:
        instance_ids: (H, W) uint16 as in Cityscapes' ``instanceIds``.
        depth: (H, W) float32, metres along the optical axis, 0 for sky.
    """

    instance_ids: np.ndarray
    depth: np.ndarray


def create_context():
    """An OpenGL context without a window.

    Raises:
        InputError: ModernGL or an EGL driver is missing.
    """
    try:
        import moderngl

        return moderngl.create_context(standalone=True, backend="egl", require=330)
    except Exception as error:  # ModernGL raises plain Exception for every missing driver
        raise InputError(
            "The synthetic city needs OpenGL without a screen: install the Debian packages "
            "libegl1 and libgl1-mesa-dri, and the pip package moderngl "
            f"({type(error).__name__}: {error})."
        ) from error


class Renderer:
    """One OpenGL context for images of one size; use it in the thread that made it.

    OpenGL draws into whichever context is current, and others may have come since this one was
    made: draw within ``with renderer:``.

    Args:
        width, height: of the image in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._context = context = create_context()
        self._large = (width * SUPERSAMPLING, height * SUPERSAMPLING)
        self._surfaces = [
            context.texture(self._large, 4, dtype="f1"),
            context.texture(self._large, 4, dtype="f2"),
            context.texture(self._large, 4, dtype="f1"),
            context.texture(self._large, 1, dtype="f4"),
        ]
        self._surface_buffer = context.framebuffer(
            self._surfaces, context.depth_renderbuffer(self._large)
        )
        self._label_texture = context.texture((width, height), 2, dtype="f4")
        self._label_buffer = context.framebuffer(
            [self._label_texture], context.depth_renderbuffer((width, height))
        )
        self._shadow_map = context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        self._shadow_map.compare_func = "<="
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_buffer = context.framebuffer([], self._shadow_map)
        shade_size = (int(SHADE_WIDTH * SHADE_SCALE), int(SHADE_LENGTH * SHADE_SCALE))
        self._shade = context.texture(shade_size, 1, dtype="f1")
        self._shade.repeat_x = self._shade.repeat_y = False
        self._lit = [context.texture(self._large, 4, dtype="f2") for _ in range(2)]
        self._lit_buffers = [context.framebuffer([texture]) for texture in self._lit]

        self._surface_program = context.program(
            surface_shaders.SURFACE_VERTEX, surface_shaders.SURFACE_FRAGMENT
        )
        self._label_program = context.program(
            surface_shaders.LABEL_VERTEX, surface_shaders.LABEL_FRAGMENT
        )
        self._shadow_program = context.program(
            surface_shaders.SHADOW_VERTEX, surface_shaders.SHADOW_FRAGMENT
        )
        corners = context.buffer(np.array([[-1, -1], [3, -1], [-1, 3]], np.float32).tobytes())
        self._screens = {
            name: context.vertex_array(
                context.program(lighting_shaders.SCREEN_VERTEX, source), [(corners, "2f", "corner")]
            )
            for name, source in (
                ("clear", lighting_shaders.CLEAR_FRAGMENT),
                ("night", lighting_shaders.NIGHT_FRAGMENT),
                ("overcast", lighting_shaders.OVERCAST_FRAGMENT),
                ("wet", lighting_shaders.WET_FRAGMENT),
            )
        }
        self._vertices = None
        self._scene: Scene | None = None

    def __enter__(self) -> Renderer:
        self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)

    def load(self, scene: Scene) -> None:
        """Draw the surfaces of a scene; what follows reads them."""
        context, camera = self._context, scene.camera
        if (camera.width, camera.height) != (self.width, self.height):
            raise ValueError("the scene's camera has another image size than the renderer")
        if self._vertices is not None:
            self._vertices.release()
        self._scene = scene
        self._vertices = context.buffer(_vertex_array(scene).tobytes())
        context.enable(context.DEPTH_TEST)
        self._surface_buffer.use()
        self._surface_buffer.clear()
        self._set_camera(self._surface_program, camera)
        self._surface_program["phase"] = scene.phase
        self._draw(
            self._surface_program,
            "3f 3f 3f 2f 1f 4x",
            ["position", "normal", "colour", "texture_at", "material"],
        )
        self._shade.write(ground_shade(scene.footprints).tobytes())

    def labels(self) -> Labels:
        """Labels and depth of the loaded scene, one sample per pixel, not smoothed."""
        self._context.enable(self._context.DEPTH_TEST)
        self._label_buffer.use()
        self._label_buffer.clear(float(Label.SKY), 0.0)
        self._set_camera(self._label_program, self._scene.camera)
        self._draw(self._label_program, "3f 36x 1f", ["position", "value"])
        raw = np.frombuffer(self._label_texture.read(), np.float32)
        raw = raw.reshape(self.height, self.width, 2)[::-1]
        return Labels(raw[..., 0].astype(np.uint16), np.ascontiguousarray(raw[..., 1]))

    def clear(self) -> np.ndarray:
        """By day: (2H, 2W, 3) float32, linear radiance, where 1 is a bright white wall."""
        scene, context = self._scene, self._context
        to_sun = _world_to_sun(scene.sun)
        context.enable(context.DEPTH_TEST)
        self._shadow_buffer.use()
        self._shadow_buffer.clear(depth=1.0)
        self._shadow_program["world_to_sun"].write(_columns(to_sun))
        self._draw(self._shadow_program, "3f 40x", ["position"])
        program = self._screens["clear"].program
        program["world_to_sun"].write(_columns(to_sun))
        program["sun"] = tuple(scene.sun)
        program["sun_colour"] = scene.palette.sun_colour
        program["sunshine"] = scene.sunshine
        self._shadow_map.use(6)
        program["shadow_map"] = 6
        return self._light("clear", 0)

    def night(self) -> np.ndarray:
        """By the light of street lamps, windows and vehicles; shape and unit as `clear`."""
        program = self._screens["night"].program
        for name, spots, most in (
            ("lamp", self._scene.lamps, MAX_LAMPS),
            ("beam", self._scene.beams, MAX_BEAMS),
        ):
            nearest = spots[np.argsort(spots[:, 2])][:most]
            padded = np.zeros((most, 3), np.float32)
            padded[: len(nearest)] = nearest
            program[f"{name}s"].write(padded.tobytes())
            program[f"{name}_count"] = len(nearest)
        return self._light("night", 0)

    def rain(self) -> np.ndarray:
        """Under a dark sky on wet ground, without the falling drops; shape and unit as `clear`."""
        self._light("overcast", 0, read=False)
        program = self._screens["wet"].program
        self._lit[0].use(6)
        program["dry"] = 6
        program["world_to_camera"].write(_columns(self._scene.camera.rotation))
        return self._light("wet", 1)

    def _light(self, name: str, target: int, read: bool = True) -> np.ndarray | None:
        """Run one lighting pass over the whole screen."""
        scene, camera = self._scene, self._scene.camera
        program = self._screens[name].program
        sources = dict(
            zip(("albedo_gloss", "normal_wet", "glow", "depth"), self._surfaces, strict=True)
        )
        sources["ground_shade"] = self._shade
        uniforms = {
            "eye": tuple(camera.position),
            "half_size": (self._large[0] / 2, self._large[1] / 2),
            "focal": camera.focal * SUPERSAMPLING,
            "phase": scene.phase,
            "sky_colour": scene.palette.sky,
        }
        # The compiler drops the uniforms that a pass does not read.
        for unit, (uniform, texture) in enumerate(sources.items()):
            if uniform in program:
                texture.use(unit)
                program[uniform] = unit
        for uniform, value in uniforms.items():
            if uniform in program:
                program[uniform] = value
        program["camera_to_world"].write(_columns(camera.rotation.T))
        self._context.disable(self._context.DEPTH_TEST)
        self._lit_buffers[target].use()
        self._screens[name].render()
        if not read:
            return None
        raw = np.frombuffer(self._lit[target].read(), np.float16)
        image = raw.reshape(self._large[1], self._large[0], 4)[::-1, :, :3]
        return image.astype(np.float32)

    def _set_camera(self, program, camera: Camera) -> None:
        program["world_to_clip"].write(_columns(_world_to_clip(camera)))
        program["eye"] = tuple(camera.position)
        program["forward"] = tuple(camera.rotation[2])

    def _draw(self, program, formats: str, names: list[str]) -> None:
        vertex_array = self._context.vertex_array(program, [(self._vertices, formats, *names)])
        vertex_array.render()
        vertex_array.release()


def ground_shade(footprints: list[np.ndarray]) -> np.ndarray:
    """How much light of the sky reaches the ground, seen from above.

    Args:
        footprints: (4, 2) corners in x and z, in metres.

    Returns:
        (rows along z, columns along x) uint8; 255 is all of it.
    """
    shape = (int(SHADE_LENGTH * SHADE_SCALE), int(SHADE_WIDTH * SHADE_SCALE))
    covered = np.zeros(shape, np.uint8)
    for corners in footprints:
        pixels = (corners + [SHADE_WIDTH / 2, 0.0]) * SHADE_SCALE
        cv2.fillConvexPoly(covered, np.round(pixels).astype(np.int32), 255)
    near = cv2.GaussianBlur(covered, (0, 0), 0.18 * SHADE_SCALE).astype(np.float32)
    wide = cv2.GaussianBlur(covered, (0, 0), 0.8 * SHADE_SCALE).astype(np.float32)
    return np.uint8(255 * (1 - 0.55 * near / 255) * (1 - 0.45 * wide / 255))


def _vertex_array(scene: Scene) -> np.ndarray:
    """(T, 3, 13): position, normal, colour, texture, material, label value.

    Near triangles come first, so that hidden surfaces fail the depth test before they are shaded.
    """
    mesh = scene.mesh
    flat = np.stack([mesh.materials, scene.values.astype(np.float32)], axis=1)
    per_triangle = [np.repeat(a[:, None], 3, axis=1) for a in (mesh.colours, flat)]
    columns = [mesh.positions, mesh.normals, per_triangle[0], mesh.texture, per_triangle[1]]
    away = np.hypot(mesh.positions[..., 0], mesh.positions[..., 2]).min(axis=1)
    order = np.argsort(away, kind="stable")
    return np.concatenate(columns, axis=2).astype(np.float32)[order]


def _columns(matrix: np.ndarray) -> bytes:
    """Bytes in OpenGL's order, column by column."""
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()


def _world_to_clip(camera: Camera) -> np.ndarray:
    view = np.eye(4)
    view[:3, :3] = camera.rotation
    view[:3, 3] = -camera.rotation @ camera.position
    depth_scale, depth_shift = (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
    # The principal point is the middle of the image, so the projection has no offset.
    projection = np.array(
        [
            [2 * camera.focal / camera.width, 0, 0, 0],
            [0, 2 * camera.focal / camera.height, 0, 0],
            [0, 0, depth_scale, depth_shift],
            [0, 0, 1, 0],
        ]
    )
    return projection @ view


def _world_to_sun(sun: np.ndarray) -> np.ndarray:
    """Parallel projection of the nearer part of the street as the sun sees it."""
    right = np.cross([0.0, 1.0, 0.0], sun)
    right /= np.linalg.norm(right)
    view = np.eye(4)
    view[:3, :3] = [right, np.cross(sun, right), -sun]
    view[:3, 3] = -view[:3, :3] @ np.array([0.0, 0.0, 32.0])
    return np.diag([1 / 46, 1 / 46, 1 / 110, 1.0]) @ view
