"""GLSL sources that write what each surface is: its colour, direction, distance and label.

The surfaces are drawn once; clear, night and rain differ only in the lighting pass. The numbers of
the materials are those of `mesh.Material`.
"""

NOISE = """
float hash(vec2 p) { return fract(sin(dot(p, vec2(127.1, 311.7))) * 43758.5453); }
float noise(vec2 p) {
    vec2 cell = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    return mix(mix(hash(cell), hash(cell + vec2(1, 0)), f.x),
               mix(hash(cell + vec2(0, 1)), hash(cell + vec2(1, 1)), f.x), f.y);
}
float clouds(vec2 p) {
    return 0.5 * noise(p) + 0.25 * noise(p * 2.1) + 0.15 * noise(p * 4.3) + 0.1 * noise(p * 9.1);
}
"""

SURFACE_VERTEX = """
#version 330
uniform mat4 world_to_clip;
in vec3 position; in vec3 normal; in vec3 colour; in vec2 texture_at; in float material;
out vec3 P; out vec3 N; out vec2 T; flat out vec3 C; flat out int M;
void main() {
    P = position; N = normal; C = colour; T = texture_at; M = int(material + 0.5);
    gl_Position = world_to_clip * vec4(position, 1);
}
"""

SURFACE_FRAGMENT = (
    """
#version 330
uniform vec3 eye; uniform vec3 forward; uniform float phase;
in vec3 P; in vec3 N; in vec2 T; flat in vec3 C; flat in int M;
layout(location=0) out vec4 albedo_gloss;   // square root of albedo
layout(location=1) out vec4 normal_wet;     // wet: 1 where rain makes a mirror
layout(location=2) out vec4 glow;           // square root of emitted light; alpha 1: a lamp
layout(location=3) out float depth;         // metres along the optical axis
"""
    + NOISE
    + """
void facade(inout vec3 albedo, inout float gloss, inout vec3 light) {
    float style = floor(T.x / 1000.0);
    vec2 at = vec2(mod(T.x, 1000.0), T.y), cell = floor(at), q = fract(at);
    float ground = step(at.y, 1.0);
    vec2 size = mix(vec2(0.40 + 0.06 * mod(style, 3.0), 0.52), vec2(0.78, 0.68), ground);
    vec2 low = vec2(0.5 - size.x / 2.0, mix(0.26, 0.06, ground)), high = low + size;
    float dist = length(P - eye);
    albedo *= 0.86 + 0.22 * clouds(P.zy * 0.7 + style) ;
    albedo *= mix(1.0, 0.93 + 0.14 * hash(floor(P.zy * vec2(4.0, 12.0))), exp(-dist * 0.03));
    albedo *= mix(1.0, mix(0.62, 1.1, hash(vec2(style, 3.0))), ground);
    vec2 frame = vec2(0.035, 0.03);
    bool around = all(greaterThan(q, low - frame * 2.0)) && all(lessThan(q, high + frame * 2.0));
    bool inside = all(greaterThan(q, low)) && all(lessThan(q, high));
    bool sill = q.y > low.y - 0.08 && q.y < low.y - 0.03 && abs(q.x - 0.5) < size.x * 0.6;
    float own = hash(cell + style * 7.0 + phase);
    if (around) albedo = mix(albedo * 1.25, vec3(0.55), 0.5);
    if (sill) albedo *= 0.6;
    if (inside) {
        bool bar = abs(q.x - 0.5) < 0.018 || abs(q.y - mix(low.y, high.y, 0.68)) < 0.014;
        bool curtain = own > 0.55 && abs(q.x - 0.5) > size.x * 0.28;
        albedo = bar ? vec3(0.5) : curtain ? vec3(0.32, 0.31, 0.28) : vec3(0.025 + 0.03 * own);
        gloss = bar ? 0.0 : 0.75;
        float lit = step(mix(0.70, 0.35, ground), hash(cell * 1.7 + style + phase * 31.0));
        vec3 warm = mix(vec3(0.75, 0.45, 0.16), vec3(0.55, 0.60, 0.62), step(0.8, own));
        light = lit * warm * (bar ? 0.15 : curtain ? 0.5 : 0.75) * (0.5 + 0.5 * own);
    }
}
void main() {
    vec3 view = normalize(P - eye), n = normalize(N), albedo = C, light = vec3(0);
    if (dot(n, view) > 0.0 && M != 4) n = -n;
    float gloss = 0.0, wet = 0.0, lamp = 0.0, dist = length(P - eye), fade = exp(-dist * 0.035);
    if (M == 1) {         // asphalt: grain, worn tracks, mended patches, cracks
        wet = 1.0;
        albedo *= 0.80 + 0.4 * clouds(P.xz * vec2(1.1, 0.22) + phase * 50.0);
        albedo *= 1.0 + fade * 0.30 * (hash(floor(P.xz * 36.0)) - 0.5);
        vec2 patch_at = floor(P.xz * vec2(0.27, 0.09) + phase * 9.0);
        albedo *= hash(patch_at) > 0.86 ? 0.78 : 1.0;
        float crack = abs(noise(P.xz * 0.9 + 4.0 * noise(P.xz * 0.6)) - 0.5);
        albedo *= 1.0 - 0.4 * fade * smoothstep(0.02, 0.0, crack);
    } else if (M == 2) {  // paving slabs
        wet = 0.55;
        vec2 slab = P.xz * 1.7, joint = fract(slab);
        albedo *= 0.82 + 0.25 * clouds(P.xz * 1.3) + 0.14 * (hash(floor(slab)) - 0.5);
        albedo *= 1.0 - 0.35 * fade * step(0.93, max(joint.x, joint.y));
    } else if (M == 3) facade(albedo, gloss, light);
    else if (M == 4) albedo *= 0.6 + 0.8 * noise(P.xy * 6.0 + P.z * 3.0);
    else if (M == 5) gloss = 0.42;
    else if (M == 6) gloss = 0.9;
    else if (M == 7) { light = vec3(1.0, 0.95, 0.80); lamp = 1.0; gloss = 0.5; }
    else if (M == 8) { light = vec3(0.62, 0.02, 0.02); lamp = 1.0; gloss = 0.4; }
    else if (M == 9) light = vec3(1.0, 0.72, 0.38);
    else if (M == 10) { light = C; lamp = 1.0; }
    else if (M == 11) {
        gloss = 0.8;
        light = vec3(0.42, 0.40, 0.30) * (0.5 + 0.5 * noise(P.zy * 2.0));
    }
    else if (M == 12) {
        float blade = hash(floor(P.xz * 25.0)) - 0.5;
        albedo *= 0.65 + 0.5 * clouds(P.xz * 0.8) + 0.25 * fade * blade;
    }
    else if (M == 13) { albedo *= 0.55 + 0.5 * clouds(P.xz * 5.0); wet = 0.8; }
    else if (M == 14) albedo *= 0.85 + 0.3 * noise(P.xy * 14.0 + P.z * 9.0);
    albedo_gloss = vec4(sqrt(clamp(albedo, 0.0, 1.0)), gloss);
    normal_wet = vec4(n, wet);
    glow = vec4(sqrt(clamp(light, 0.0, 1.0)), lamp);
    depth = dot(P - eye, forward);
}
"""
)

LABEL_VERTEX = """
#version 330
uniform mat4 world_to_clip; uniform vec3 eye; uniform vec3 forward;
in vec3 position; in float value;
flat out float V; out float Z;
void main() {
    V = value; Z = dot(position - eye, forward);
    gl_Position = world_to_clip * vec4(position, 1);
}
"""
LABEL_FRAGMENT = """
#version 330
flat in float V; in float Z; out vec2 value_depth;
void main() { value_depth = vec2(V, Z); }
"""

SHADOW_VERTEX = """
#version 330
uniform mat4 world_to_sun; in vec3 position;
void main() { gl_Position = world_to_sun * vec4(position, 1); }
"""
SHADOW_FRAGMENT = """
#version 330
void main() {}
"""
