"""GLSL sources that light the surfaces: by day, by night, and under the clouds of a rainy day."""

from snr_plugins.city.surface_shaders import NOISE

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
struct Surface {
    vec3 view; vec3 at; vec3 n; vec3 albedo; float gloss; float wet; vec3 glow; float lamp; float z;
};
Surface fetch() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    vec3 ray = camera_to_world * vec3((gl_FragCoord.xy - half_size) / focal, 1.0);
    vec4 a = texelFetch(albedo_gloss, pixel, 0), b = texelFetch(normal_wet, pixel, 0);
    vec4 c = texelFetch(glow, pixel, 0);
    float z = texelFetch(depth, pixel, 0).r;
    return Surface(normalize(ray), eye + ray * z, b.xyz, a.rgb * a.rgb, a.a, b.w,
                   c.rgb * c.rgb, c.a, z);
}
// Light that reaches the ground between and below objects, from a map drawn from above.
float openness(vec3 at) {
    vec2 uv = vec2((at.x + 20.0) / 40.0, at.z / 80.0);
    float ground = texture(ground_shade, uv).r;
    float low = mix(ground, 1.0, smoothstep(0.0, 1.1, at.y));
    return low * mix(0.72, 1.0, smoothstep(0.0, 2.2, at.y));
}
vec3 overcast_sky(vec3 d) {
    float up = clamp(d.y * 1.5, 0.0, 1.0);
    vec2 w = d.xz / max(d.y + 0.12, 0.08);
    float cover = 0.78 + 0.4 * clouds(w * 0.9 + phase * 40.0);
    return mix(vec3(0.86, 0.88, 0.90), vec3(0.52, 0.56, 0.62), up) * cover;
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
vec3 mirrored(vec3 r, vec3 above, vec3 below) {
    return mix(below, above, smoothstep(-0.05, 0.30, r.y));
}
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
    vec3 around = mix(vec3(0.20), vec3(0.16, 0.15, 0.14), sunshine);
    around *= 0.6 + 0.8 * noise(r.xz * 6.0);
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
    float up = 0.5 + 0.5 * s.n.y;
    vec3 light = mix(vec3(0.008, 0.009, 0.012), vec3(0.016, 0.019, 0.030), up) * open;
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
        float facing = max(dot(s.n, to), 0.0) + 0.02;
        light += vec3(1.0, 0.95, 0.84) * 24.0 * cone * facing / (d2 + 18.0);
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
    float shine = gloss * (fresnel(-dot(s.n, s.view)) + 0.05);
    c += shine * mirrored(r, overcast_sky(r) * 0.6, vec3(0.10)) * open;
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
        vec2 ripple = vec2(noise(s.at.xz * 9.0), noise(s.at.zx * 7.0)) - 0.5;
        vec3 n = normalize(vec3(rough * ripple.x, 1.0, rough * ripple.y));
        vec3 r = reflect(s.view, n);
        float open = openness(s.at);  // squared: under a car the mirror shows its dark belly
        vec3 seen = overcast_sky(r) * vec3(0.62, 0.64, 0.68) * open * open;
        float t = 0.35 + 0.25 * hash(gl_FragCoord.xy);
        for (int i = 0; i < 20; i++) {
            vec3 p = world_to_camera * (s.at + r * t - eye);
            vec2 pixel = p.xy / p.z * focal + half_size;
            if (any(lessThan(pixel, vec2(0)))) break;
            if (any(greaterThanEqual(pixel, half_size * 2.0))) break;
            float z = texelFetch(depth, ivec2(pixel), 0).r;
            if (z > 0.0 && z < p.z && p.z - z < 6.0) {
                seen = texelFetch(dry, ivec2(pixel), 0).rgb;
                break;
            }
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
