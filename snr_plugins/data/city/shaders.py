"""GLSL sources: one pass writes what each surface is, later passes light it.

The surfaces are drawn once; clear, night and rain differ only in the lighting pass. The numbers of
the materials are those of `geometry.Material`.
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
    else if (M == 11) { gloss = 0.8; light = vec3(0.42, 0.40, 0.30) * (0.5 + 0.5 * noise(P.zy * 2.0)); }
    else if (M == 12) { albedo *= 0.65 + 0.5 * clouds(P.xz * 0.8) + 0.25 * fade * (hash(floor(P.xz * 25.0)) - 0.5); }
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

SCREEN_VERTEX = """
#version 330
in vec2 corner;
void main() { gl_Position = vec4(corner, 0, 1); }
"""

_LIGHTING_HEAD = (
    """
#version 330
uniform sampler2D albedo_gloss, normal_wet, glow, depth, ground_shade;
uniform vec3 eye; uniform mat3 camera_to_world; uniform vec2 half_size; uniform float focal;
uniform float phase; uniform vec3 sky_colour;
out vec4 radiance;
"""
    + NOISE
    + """
struct Surface { vec3 view; vec3 at; vec3 n; vec3 albedo; float gloss; float wet; vec3 glow; float lamp; float z; };
Surface fetch() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    vec3 ray = camera_to_world * vec3((gl_FragCoord.xy - half_size) / focal, 1.0);
    vec4 a = texelFetch(albedo_gloss, pixel, 0), b = texelFetch(normal_wet, pixel, 0);
    vec4 c = texelFetch(glow, pixel, 0);
    float z = texelFetch(depth, pixel, 0).r;
    return Surface(normalize(ray), eye + ray * z, b.xyz, a.rgb * a.rgb, a.a, b.w, c.rgb * c.rgb, c.a, z);
}
// Light that reaches the ground between and below objects, from a map drawn from above.
float openness(vec3 at) {
    vec2 uv = vec2((at.x + 20.0) / 40.0, at.z / 80.0);
    float ground = texture(ground_shade, uv).r;
    return mix(ground, 1.0, smoothstep(0.0, 1.1, at.y)) * mix(0.72, 1.0, smoothstep(0.0, 2.2, at.y));
}
vec3 overcast_sky(vec3 d) {
    float up = clamp(d.y * 1.5, 0.0, 1.0);
    vec2 w = d.xz / max(d.y + 0.12, 0.08);
    return mix(vec3(0.86, 0.88, 0.90), vec3(0.52, 0.56, 0.62), up) * (0.78 + 0.4 * clouds(w * 0.9 + phase * 40.0));
}
vec3 clear_sky(vec3 d) {
    float up = clamp(d.y * 1.7, 0.0, 1.0);
    vec3 c = mix(vec3(0.62, 0.74, 0.86), sky_colour, pow(up, 0.7));
    vec2 w = d.xz / max(d.y + 0.1, 0.06);
    float cover = smoothstep(0.48 + 0.2 * phase, 0.80, clouds(w * 1.1 + phase * 70.0));
    return mix(c, vec3(1.0, 0.98, 0.95), cover * 0.8);
}
float fresnel(float facing) { return 0.04 + 0.96 * pow(1.0 - clamp(facing, 0.0, 1.0), 5.0); }
// What a window or a car mirrors: the sky above, houses and road below it.
vec3 mirrored(vec3 r, vec3 above, vec3 below) { return mix(below, above, smoothstep(-0.05, 0.30, r.y)); }
"""
)

CLEAR_FRAGMENT = (
    _LIGHTING_HEAD
    + """
uniform sampler2DShadow shadow_map; uniform mat4 world_to_sun; uniform vec3 sun, sun_colour;
uniform float sunshine;
float sunlit(vec3 at, vec3 n) {
    vec4 clip = world_to_sun * vec4(at + n * 0.05, 1);
    vec3 uv = clip.xyz * 0.5 + 0.5;
    float sum = 0.0;
    for (int i = -1; i < 2; i++) for (int j = -1; j < 2; j++)
        sum += texture(shadow_map, vec3(uv.xy + vec2(i, j) / 2048.0, uv.z - 0.0012));
    return sum / 9.0;
}
vec3 sky(vec3 d) { return mix(overcast_sky(d), clear_sky(d), step(0.5, sunshine)); }
void main() {
    Surface s = fetch();
    if (s.z <= 0.0) { radiance = vec4(sky(s.view), 1); return; }
    float open = openness(s.at), lit = sunlit(s.at, s.n), up = 0.5 + 0.5 * s.n.y;
    vec3 fair = mix(vec3(0.26, 0.24, 0.21), vec3(0.44, 0.52, 0.66), up);
    vec3 dull = mix(vec3(0.40, 0.40, 0.40), vec3(0.98, 1.0, 1.04), up);
    vec3 c = s.albedo * mix(dull, fair, sunshine) * open;
    c += s.albedo * sunshine * 2.3 * sun_colour * max(dot(s.n, sun), 0.0) * lit;
    vec3 r = reflect(s.view, s.n);
    vec3 around = mix(vec3(0.20), vec3(0.16, 0.15, 0.14), sunshine) * (0.6 + 0.8 * noise(r.xz * 6.0));
    float shine = s.gloss * fresnel(-dot(s.n, s.view)) * 1.2 + s.gloss * 0.05;
    c += shine * mirrored(r, sky(r), around) * open;
    c += s.gloss * s.gloss * sunshine * lit * sun_colour * 3.0 * pow(max(dot(r, sun), 0.0), 90.0);
    c += s.glow * s.lamp * 0.55;
    radiance = vec4(mix(c, vec3(0.70, 0.76, 0.82), 1.0 - exp(-s.z * 0.0016)), 1);
}
"""
)

NIGHT_FRAGMENT = (
    _LIGHTING_HEAD
    + """
uniform vec3 lamps[12]; uniform int lamp_count; uniform vec3 beams[10]; uniform int beam_count;
void main() {
    Surface s = fetch();
    if (s.z <= 0.0) {
        float low = exp(-max(s.view.y, 0.0) * 6.0);
        radiance = vec4(vec3(0.006, 0.008, 0.015) + vec3(0.030, 0.021, 0.014) * low, 1);
        return;
    }
    float open = openness(s.at);
    vec3 light = mix(vec3(0.008, 0.009, 0.012), vec3(0.016, 0.019, 0.030), 0.5 + 0.5 * s.n.y) * open;
    vec3 shine = vec3(0);
    vec3 r = reflect(s.view, s.n);
    for (int i = 0; i < lamp_count; i++) {
        vec3 to = lamps[i] - s.at; float d2 = dot(to, to); to *= inversesqrt(d2);
        float cone = smoothstep(0.05, 0.75, to.y);
        vec3 e = vec3(1.0, 0.70, 0.40) * 13.0 * cone / (d2 + 4.0);
        light += e * max(dot(s.n, to), 0.0) * mix(open, 1.0, 0.4);
        shine += e * pow(max(dot(r, to), 0.0), 30.0);
    }
    for (int i = 0; i < beam_count; i++) {
        vec3 to = beams[i] - s.at; float d2 = dot(to, to); to *= inversesqrt(d2);
        light += vec3(1.0, 0.93, 0.78) * 0.55 * max(dot(s.n, to), 0.15) / (d2 + 1.2);
    }
    for (int side = -1; side < 2; side += 2) {  // our own headlights
        vec3 from = eye + vec3(0.65 * float(side), -0.6, 1.2), to = from - s.at;
        float d2 = dot(to, to); to *= inversesqrt(d2);
        float across = abs(to.x), down = smoothstep(-0.06, 0.015, to.y);
        float cone = smoothstep(0.30, 0.05, across) * down * step(s.at.z * -1.0, -from.z);
        light += vec3(1.0, 0.95, 0.84) * 24.0 * cone * (max(dot(s.n, to), 0.0) + 0.02) / (d2 + 18.0);
    }
    vec3 c = s.albedo * light + s.gloss * s.gloss * 0.5 * shine;
    c += s.gloss * fresnel(-dot(s.n, s.view)) * vec3(0.014, 0.013, 0.014);
    c += s.glow * mix(0.42, 3.2, s.lamp);
    radiance = vec4(mix(c, vec3(0.012, 0.011, 0.012), 1.0 - exp(-s.z * 0.006)), 1);
}
"""
)

OVERCAST_FRAGMENT = (
    _LIGHTING_HEAD
    + """
void main() {
    Surface s = fetch();
    if (s.z <= 0.0) { radiance = vec4(overcast_sky(s.view) * vec3(0.62, 0.64, 0.68), 1); return; }
    float open = openness(s.at), up = 0.5 + 0.5 * s.n.y;
    vec3 albedo = s.albedo * mix(0.80, 0.48, s.wet);  // water in the pores darkens
    vec3 c = albedo * mix(vec3(0.22, 0.23, 0.25), vec3(0.56, 0.59, 0.64), up) * open;
    vec3 r = reflect(s.view, s.n);
    float gloss = max(s.gloss, 0.12 * (1.0 - s.wet));
    c += gloss * (fresnel(-dot(s.n, s.view)) + 0.05) * mirrored(r, overcast_sky(r) * 0.6, vec3(0.10)) * open;
    c += s.glow * mix(0.10, 1.5, s.lamp);
    radiance = vec4(c, 1);
}
"""
)

WET_FRAGMENT = (
    _LIGHTING_HEAD
    + """
uniform sampler2D dry; uniform mat3 world_to_camera;
void main() {
    Surface s = fetch();
    vec3 c = texelFetch(dry, ivec2(gl_FragCoord.xy), 0).rgb;
    if (s.z > 0.0 && s.wet > 0.0 && s.n.y > 0.9) {
        float puddle = smoothstep(0.42, 0.62, clouds(s.at.xz * vec2(0.55, 0.3) + phase * 20.0));
        float rough = mix(0.05, 0.012, puddle);
        vec3 n = normalize(vec3(rough * (noise(s.at.xz * 9.0) - 0.5), 1.0, rough * (noise(s.at.zx * 7.0) - 0.5)));
        vec3 r = reflect(s.view, n), seen = overcast_sky(r) * vec3(0.62, 0.64, 0.68) * openness(s.at) * openness(s.at);
        float t = 0.35 + 0.25 * hash(gl_FragCoord.xy);
        for (int i = 0; i < 20; i++) {
            vec3 p = world_to_camera * (s.at + r * t - eye);
            vec2 pixel = p.xy / p.z * focal + half_size;
            if (any(lessThan(pixel, vec2(0))) || any(greaterThanEqual(pixel, half_size * 2.0))) break;
            float z = texelFetch(depth, ivec2(pixel), 0).r;
            if (z > 0.0 && z < p.z && p.z - z < 6.0) { seen = texelFetch(dry, ivec2(pixel), 0).rgb; break; }
            t *= 1.27;
        }
        float mirror = fresnel(-dot(n, s.view)) * s.wet * mix(0.55, 1.0, puddle);
        c = mix(c, min(seen, vec3(1.5)), clamp(mirror, 0.0, 0.85));
    }
    if (s.z > 0.0) c = mix(c, vec3(0.42, 0.44, 0.47), 1.0 - exp(-s.z * 0.009));
    radiance = vec4(c, 1);
}
"""
)
