/* HEIC and AVIF by libheif, whose planes are made RGB row by row. */
#include <stdlib.h>
#include <string.h>

#include "photo.h"
#include <libheif/heif.h>

static struct heif_image_handle *handle;
static struct heif_image *image;
static uint32_t row;
static uint8_t *line;
static const uint8_t *planes[4]; /* Y, Cb, Cr or R, G, B; alpha */
static int strides[4], shifts[4], across[4], down[4];
static int32_t coefficients[4], offset, gain; /* of the matrix, in 65536ths */

/* libheif would start some of libde265's (build.sh renames the call). */
int no_worker_threads(void *decoder, int n) { return 0; }

static void must(struct heif_error err) {
  if (err.code == heif_error_Memory_allocation_error) fail("out of memory");
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
  /* Measured: 5.2 bytes a pixel of one image, less where it is of tiles. */
  uint64_t need = size + (4 << 20) + 13 * pixels / 2;
  if (heif_image_handle_get_luma_bits_per_pixel(handle) > 8) need += 13 * pixels / 2;
  picture.need = clamp32(need);
}

static void matrix(void) {
  struct heif_color_profile_nclx *nclx = NULL;
  double kr = 0.299, kb = 0.114;
  int full = 1;
  if (heif_image_get_nclx_color_profile(image, &nclx).code != heif_error_Ok || !nclx)
    heif_image_handle_get_nclx_color_profile(handle, &nclx);
  if (nclx) {
    full = nclx->full_range_flag;
    switch ((int)nclx->matrix_coefficients) {
      case 1: kr = 0.2126, kb = 0.0722; break;
      case 4: kr = 0.30, kb = 0.11; break;
      case 7: kr = 0.212, kb = 0.087; break;
      case 9: case 10: kr = 0.2627, kb = 0.0593; break;
    }
  }
  double y = full ? 1 : 255.0 / 219, c = full ? 1 : 255.0 / 224, kg = 1 - kr - kb;
  offset = full ? 0 : 16;
  gain = y * 65536 + 0.5;
  coefficients[0] = c * 2 * (1 - kr) * 65536 + 0.5;
  coefficients[1] = -(c * 2 * (1 - kb) * kb / kg * 65536 + 0.5);
  coefficients[2] = -(c * 2 * (1 - kr) * kr / kg * 65536 + 0.5);
  coefficients[3] = c * 2 * (1 - kb) * 65536 + 0.5;
}

static void plane(int i, enum heif_channel channel) {
  planes[i] = heif_image_get_plane_readonly(image, channel, &strides[i]);
  if (!planes[i]) return;
  int bits = heif_image_get_bits_per_pixel_range(image, channel);
  shifts[i] = bits > 8 ? bits - 8 : 0;
  across[i] = heif_image_get_width(image, channel) < (int)picture.out_width;
  down[i] = heif_image_get_height(image, channel) < (int)picture.out_height;
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
  switch (heif_image_get_colorspace(image)) {
    case heif_colorspace_YCbCr:
      plane(1, heif_channel_Cb);
      plane(2, heif_channel_Cr);
    case heif_colorspace_monochrome:
      plane(0, heif_channel_Y);
      matrix();
      break;
    case heif_colorspace_RGB:
      plane(0, heif_channel_R);
      plane(1, heif_channel_G);
      plane(2, heif_channel_B);
      break;
    default: break;
  }
  if (!planes[0]) fail("its samples have an unknown form");
  if (heif_image_has_channel(image, heif_channel_Alpha)) plane(3, heif_channel_Alpha);
}

static inline int32_t sample(int i, uint32_t x, uint32_t y) {
  const uint8_t *p = planes[i] + (size_t)(y >> down[i]) * strides[i];
  x >>= across[i];
  return shifts[i] ? ((const uint16_t *)p)[x] >> shifts[i] : p[x];
}

static inline uint8_t clamp8(int32_t v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

/* The next row as RGB, on white. */
uint8_t *EXPORT(heif_row)(void) {
  int rgb = heif_image_get_colorspace(image) == heif_colorspace_RGB;
  for (uint32_t x = 0; x < picture.out_width; x++) {
    uint8_t *p = line + 3 * x;
    if (rgb) {
      for (int i = 0; i < 3; i++) p[i] = sample(i, x, row);
    } else {
      int32_t y = (sample(0, x, row) - offset) * gain + 32768, b = 0, r = 0;
      if (planes[1]) b = sample(1, x, row) - 128, r = sample(2, x, row) - 128;
      p[0] = clamp8((y + coefficients[0] * r) >> 16);
      p[1] = clamp8((y + coefficients[1] * b + coefficients[2] * r) >> 16);
      p[2] = clamp8((y + coefficients[3] * b) >> 16);
    }
    if (planes[3]) {
      uint32_t alpha = sample(3, x, row), white = 255 * (255 - alpha) + 127;
      for (int i = 0; i < 3; i++) p[i] = (p[i] * alpha + white) / 255;
    }
  }
  row++;
  colour_convert(line, picture.out_width);
  return line;
}
