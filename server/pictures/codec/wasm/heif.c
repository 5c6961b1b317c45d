/* HEIC and AVIF by libheif, which makes planes of red, green and blue; rows are made of them here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "photo.h"
#include <dav1d/dav1d.h>
#include <libde265/de265.h>
#include <libheif/heif.h>

static struct heif_image_handle *handle;
static struct heif_image *image;
static uint32_t row;
static uint8_t *line;
static const uint8_t *planes[4]; /* red, green, blue, or grey three times; alpha */
static int strides[4], shifts[4];
static int32_t offset, gain = 65536; /* of grey, in 65536ths */

/* Pixels that may still be decoded. A file can name one tile a thousand times, and hold pictures that are never shown. */
static uint64_t allowed;

static void spend(uint64_t w, uint64_t h) {
  if (w * h > allowed) fail("unsupported: it holds more than it shows");
  allowed -= w * h;
}

/* What follows is called by libheif instead of the functions that it would call (build.sh renames them). */
int no_worker_threads(void *decoder, int n) { return 0; }

static int hevc_picture(de265_decoder_context *decoder, de265_image_spec *spec, de265_image *to, void *data) {
  spend(spec->width, spec->height);
  return de265_get_default_image_allocation_functions()->get_buffer(decoder, spec, to, data);
}

de265_decoder_context *counting_hevc(void) {
  de265_decoder_context *decoder = de265_new_decoder();
  if (!decoder) fail("out of memory");
  de265_image_allocation counted = *de265_get_default_image_allocation_functions();
  counted.get_buffer = hevc_picture;
  de265_set_image_allocation_functions(decoder, &counted, NULL);
  return decoder;
}

static int av1_picture(Dav1dPicture *to, void *cookie) {
  spend(to->p.w, to->p.h);
  size_t w = (to->p.w + 127) & ~127, h = (to->p.h + 127) & ~127, across = w << (to->p.bpc > 8);
  int colour = to->p.layout != DAV1D_PIXEL_LAYOUT_I400, narrow = to->p.layout != DAV1D_PIXEL_LAYOUT_I444;
  to->stride[0] = across;
  to->stride[1] = colour ? across >> narrow : 0;
  size_t luma = across * h, chroma = to->stride[1] * (h >> (to->p.layout == DAV1D_PIXEL_LAYOUT_I420));
  uint8_t *all;
  if (posix_memalign((void **)&all, DAV1D_PICTURE_ALIGNMENT, luma + 2 * chroma + DAV1D_PICTURE_ALIGNMENT)) fail("out of memory");
  to->allocator_data = to->data[0] = all;
  to->data[1] = colour ? all + luma : NULL;
  to->data[2] = colour ? all + luma + chroma : NULL;
  return 0;
}

static void av1_release(Dav1dPicture *of, void *cookie) { free(of->allocator_data); }

int counting_av1(Dav1dContext **decoder, Dav1dSettings *settings) {
  settings->n_threads = settings->max_frame_delay = 1;
  settings->allocator = (Dav1dPicAllocator){NULL, av1_picture, av1_release};
  return dav1d_open(decoder, settings);
}

static void must(struct heif_error err) {
  if (err.code == heif_error_Memory_allocation_error) fail("out of memory");
  if (err.code == heif_error_Unsupported_filetype || err.code == heif_error_Unsupported_feature) {
    char message[180];
    snprintf(message, sizeof message, "unsupported: %s", err.message);
    fail(message);
  }
  if (err.code != heif_error_Ok) fail(err.message);
}

/* Reads the header of a file of that size. */
void EXPORT(heif_open)(uint32_t size, uint32_t side) {
  struct heif_context *context = heif_context_alloc();
  heif_context_set_max_decoding_threads(context, 0);
  must(heif_context_read_from_memory_without_copy(context, whole(size), size, NULL));
  must(heif_context_get_primary_image_handle(context, &handle));
  picture.width = heif_image_handle_get_width(handle);
  picture.height = heif_image_handle_get_height(handle);
  picture.upright = 1; /* HEIF turns by its own properties */
  picture.icc_size = heif_image_handle_get_raw_color_profile_size(handle);
  if (picture.icc_size > 0) {
    void *icc = malloc(picture.icc_size);
    if (!icc) fail("out of memory");
    must(heif_image_handle_get_raw_color_profile(handle, icc));
    picture.icc = (uint32_t)icc;
  }
  uint64_t pixels = (uint64_t)picture.width * picture.height;
  allowed = 4 * pixels + (1 << 20);
  /* Measured: 5.2 bytes a pixel of one image, less where it is of tiles. */
  uint64_t need = size + (4 << 20) + 13 * pixels / 2;
  if (heif_image_handle_get_luma_bits_per_pixel(handle) > 8) need += 13 * pixels / 2;
  picture.need = clamp32(need + colour_need());
}

/* What the file says of its colours goes before what its samples say. (ITU-T H.273) */
static void colours(void) {
  struct heif_color_profile_nclx *nclx = NULL;
  if (heif_image_handle_get_nclx_color_profile(handle, &nclx).code != heif_error_Ok || !nclx)
    heif_image_get_nclx_color_profile(image, &nclx);
  if (!nclx) return;
  if (!picture.icc) colour_of_code(nclx->color_primaries, nclx->transfer_characteristics);
  if (picture.grey && !nclx->full_range_flag) offset = 16, gain = 65536 * 255 / 219;
}

static void plane(int i, enum heif_channel channel) {
  planes[i] = heif_image_get_plane_readonly(image, channel, &strides[i]);
  if (!planes[i]) return;
  int bits = heif_image_get_bits_per_pixel_range(image, channel);
  shifts[i] = bits > 8 ? bits - 8 : 0;
  if (heif_image_get_width(image, channel) < (int)picture.out_width || heif_image_get_height(image, channel) < (int)picture.out_height)
    fail("its planes differ in size");
}

/* Decodes all of it. */
void EXPORT(heif_start)(void) {
  struct heif_decoding_options *options = heif_decoding_options_alloc();
  options->convert_hdr_to_8bit = 0;
  must(heif_decode_image(handle, &image, heif_colorspace_undefined, heif_chroma_undefined, options));
  picture.out_width = heif_image_get_primary_width(image);
  picture.out_height = heif_image_get_primary_height(image);
  line = malloc(3 * (size_t)picture.out_width);
  if (!line) fail("out of memory");
  picture.grey = heif_image_get_colorspace(image) == heif_colorspace_monochrome;
  plane(0, picture.grey ? heif_channel_Y : heif_channel_R);
  plane(1, picture.grey ? heif_channel_Y : heif_channel_G);
  plane(2, picture.grey ? heif_channel_Y : heif_channel_B);
  if (!planes[0] || !planes[1] || !planes[2]) fail("its samples have an unknown form");
  colours();
  if (heif_image_has_channel(image, heif_channel_Alpha)) plane(3, heif_channel_Alpha);
}

static inline int32_t sample(int i, uint32_t x, uint32_t y) {
  const uint8_t *p = planes[i] + (size_t)y * strides[i];
  return shifts[i] ? ((const uint16_t *)p)[x] >> shifts[i] : p[x];
}

static inline uint8_t clamp8(int32_t v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

/* The next row as RGB, on white. */
uint8_t *EXPORT(heif_row)(void) {
  for (uint32_t x = 0; x < picture.out_width; x++) {
    uint8_t *p = line + 3 * x;
    for (int i = 0; i < 3; i++) p[i] = clamp8(((sample(i, x, row) - offset) * gain + 32768) >> 16);
    if (planes[3]) {
      uint32_t alpha = sample(3, x, row), white = 255 * (255 - alpha) + 127;
      for (int i = 0; i < 3; i++) p[i] = (p[i] * alpha + white) / 255;
    }
  }
  row++;
  colour_convert(line, picture.out_width);
  return line;
}
