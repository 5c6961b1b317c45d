/* PNG by libpng, row by row where it is not interlaced. */
#include <stdlib.h>

#include "photo.h"
#include <png.h>

static png_structp in;
static png_infop info;
static uint8_t *line, *all;
static uint32_t row, stride;

static void on_error(png_structp p, png_const_charp message) { fail(message); }
static void on_warning(png_structp p, png_const_charp message) {}

static void on_read(png_structp p, png_bytep to, size_t size) {
  while (size > 0) {
    int32_t n = photo_read(to, size);
    if (n <= 0) fail("it ends before its last row");
    to += n;
    size -= n;
  }
}

/* Reads the header. */
void EXPORT(png_open)(uint32_t size, uint32_t side) {
  in = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
  info = png_create_info_struct(in);
  photo_seek(0);
  png_set_read_fn(in, NULL, on_read);
  png_set_crc_action(in, PNG_CRC_DEFAULT, PNG_CRC_WARN_DISCARD);
  png_set_benign_errors(in, 1);
  png_set_user_limits(in, 0x7fffffff, 0x7fffffff);
  png_set_chunk_cache_max(in, 128);
  png_set_chunk_malloc_max(in, 4 << 20);
  static const png_byte text[] = "tEXt\0zTXt\0iTXt\0sPLT\0hIST";
  png_set_keep_unknown_chunks(in, PNG_HANDLE_CHUNK_NEVER, text, 5);
  png_read_info(in, info);
  picture.width = png_get_image_width(in, info);
  picture.height = png_get_image_height(in, info);
  png_charp name;
  int method;
  png_bytep profile;
  png_uint_32 profile_size;
  double gamma, xy[8];
  int intent;
  png_byte primaries, transfer, matrix, full;
  picture.grey = !(png_get_color_type(in, info) & (PNG_COLOR_MASK_COLOR | PNG_COLOR_MASK_PALETTE));
  if (png_get_cICP(in, info, &primaries, &transfer, &matrix, &full)) {
    colour_of_code(primaries, transfer);
  } else if (png_get_iCCP(in, info, &name, &method, &profile, &profile_size)) {
    picture.icc = (uint32_t)profile;
    picture.icc_size = profile_size;
  } else if (png_get_sRGB(in, info, &intent)) {
  } else if (!picture.grey && png_get_cHRM(in, info, xy, xy + 1, xy + 2, xy + 3, xy + 4, xy + 5, xy + 6, xy + 7) && png_get_gAMA(in, info, &gamma) && gamma > 0.01) {
    colour_of_primaries(xy, 1 / gamma);
  } else if (png_get_gAMA(in, info, &gamma) && gamma > 0.01) {
    png_set_gamma(in, PNG_DEFAULT_sRGB, gamma);
  }
  png_uint_32 exif_size;
  png_bytep exif;
  if (png_get_eXIf_1(in, info, &exif_size, &exif)) {
    picture.exif = (uint32_t)exif;
    picture.exif_size = exif_size;
  }
  png_set_expand(in);
  png_set_scale_16(in);
  png_set_gray_to_rgb(in);
  png_set_add_alpha(in, 255, PNG_FILLER_AFTER);
  int passes = png_set_interlace_handling(in);
  png_read_update_info(in, info);
  stride = png_get_rowbytes(in, info);
  uint64_t need = (uint64_t)picture.width * 8 * 6 + (1 << 20);
  if (passes > 1) need += (uint64_t)stride * picture.height;
  picture.need = clamp32(need + colour_need());
}

/* Begins to decode. */
void EXPORT(png_start)(void) {
  picture.out_width = picture.width;
  picture.out_height = picture.height;
  if (stride != (uint64_t)picture.width * 4) fail("its rows have an unknown form");
  if (png_get_interlace_type(in, info) == PNG_INTERLACE_NONE) {
    line = malloc(stride);
    if (!line) fail("out of memory");
    return;
  }
  if ((uint64_t)stride * picture.height > UINT32_MAX) fail("out of memory");
  all = malloc((size_t)stride * picture.height);
  if (!all) fail("out of memory");
  for (int pass = 0; pass < 7; pass++)
    for (uint32_t y = 0; y < picture.height; y++) png_read_row(in, all + (size_t)stride * y, NULL);
}

/* Decodes a row to RGB, on white. */
uint8_t *EXPORT(png_row)(void) {
  uint8_t *p = line;
  if (all) p = all + (size_t)stride * row++;
  else png_read_row(in, line, NULL);
  for (uint32_t x = 0; x < picture.width; x++) {
    uint32_t alpha = p[4 * x + 3], white = 255 * (255 - alpha) + 127;
    for (int i = 0; i < 3; i++) p[3 * x + i] = (p[4 * x + i] * alpha + white) / 255;
  }
  colour_convert(p, picture.width);
  return p;
}
