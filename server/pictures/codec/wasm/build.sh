#!/usr/bin/env bash
# build.sh SOURCES: builds the decoders in this folder from the sources of the libraries, unpacked in SOURCES as
# `apt-get source` leaves them (libjpeg-turbo libpng1.6 zlib libwebp lcms2 libheif libde265 dav1d). It needs Debian's
# clang-19 lld-19 llvm-19 wasi-libc libclang-rt-19-dev-wasm32 libc++-19-dev-wasm32 libc++abi-19-dev-wasm32 cmake ninja-build.
# The versions that the committed files were built from are in ../libraries.go; from the same sources and compiler, the same
# bytes come out.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
from=$(cd "$1" && pwd)
work=${WORK:-}  # a folder to keep what was compiled in, for those who change the C files here
if [ -z "$work" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
source_of() { set -- "$from"/$1*/; echo "${1%/}"; }
jpeg=$(source_of libjpeg-turbo-) png=$(source_of libpng) zlib=$(source_of zlib) webp=$(source_of libwebp-)
lcms=$(source_of lcms2-) heif=$(source_of libheif-) de265=$(source_of libde265-) dav1d=$(source_of dav1d-)

flags="--target=wasm32-wasi -nostdlibinc -isystem $here/include -isystem /usr/include/wasm32-wasi -O3 -DNDEBUG -msimd128 -mbulk-memory -msign-ext -mnontrapping-fptoint -ffile-prefix-map=$from=. -ffile-prefix-map=$work=. -ffile-prefix-map=$here=."
cc="clang-19 $flags"
# C++ has no exceptions here: what would throw traps.
cxx="clang++-19 ${flags/-isystem/-isystem $here/include/cxx -isystem /usr/lib/llvm-19/include/wasm32-wasi/c++/v1 -isystem} -std=c++17 -fno-exceptions -D_WASI_EMULATED_SIGNAL -D_LIBCPP_HAS_NO_THREADS -include $here/include/cxx/exceptions.h"
link="-mexec-model=reactor -Wl,--strip-all -Wl,--gc-sections -Wl,-z,stack-size=262144"

# objects NAME FLAGS FILE...: compiles files into the library NAME.
objects() {
  local name=$1 with=$2 file
  shift 2
  [ ! -e "$work/$name.a" ] || return 0
  mkdir -p "$work/$name"
  for file; do
    [ ! -e "$work/$name/$(basename "$file").o" ] || continue
    case $file in *.cc) echo "$cxx $with -c $file -o $work/$name/$(basename "$file").o" ;; *) echo "$cc $with -c $file -o $work/$name/$(basename "$file").o" ;; esac
  done | xargs -P "${JOBS:-$(nproc)}" -I{} sh -c '{}'
  llvm-ar-19 rcsD "$work/$name.a" "$work/$name"/*.o
}

cmake -S "$jpeg" -B "$work/jpeg" -G Ninja -DCMAKE_SYSTEM_NAME=Generic -DCMAKE_SYSTEM_PROCESSOR=wasm32 \
  -DCMAKE_C_COMPILER=clang-19 -DCMAKE_AR="$(which llvm-ar-19)" -DCMAKE_RANLIB="$(which llvm-ranlib-19)" -DCMAKE_C_COMPILER_TARGET=wasm32-wasi \
  -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS="$flags" \
  -DENABLE_SHARED=0 -DWITH_SIMD=0 -DWITH_TURBOJPEG=0 > "$work/log"
ninja -C "$work/jpeg" jpeg-static >> "$work/log"
objects z "" "$zlib"/{adler32,crc32,inflate,inffast,inftrees,zutil}.c
mkdir -p "$work/pngconf"
cp "$png/scripts/pnglibconf.h.prebuilt" "$work/pngconf/pnglibconf.h"
objects png "-I$work/pngconf -I$zlib" "$png"/png{,error,get,mem,read,rio,rtran,rutil,set,trans}.c
# Of libwebp what decodes, without the code for other processors.
objects webp "-I$webp" $(ls "$webp"/src/{dec,demux,dsp,utils}/*.c | grep -vE '_(enc|sse|neon|mips|msa|avx)|enc\.c|cost|ssim|huffman_encode|quant_levels_utils|bit_writer|anim_decode|/enc')
objects lcms "-DCMS_NO_PTHREADS=1 -I$lcms/include" "$lcms"/src/*.c
$cc $link -I"$work/jpeg" -I"$jpeg/src" -I"$work/pngconf" -I"$png" -I"$zlib" -I"$webp/src" -I"$lcms/include" \
  photo.c jpeg.c png.c webp.c colour.c "$work"/jpeg/libjpeg.a "$work"/{png,z,webp,lcms}.a -o "$work/still.wasm"
gzip -9 -n -c "$work/still.wasm" > still.wasm.gz

mkdir -p "$work/versions/libde265"
sed 's/@NUMERIC_VERSION@/0/; s/@PACKAGE_VERSION@//' "$de265/libde265/de265-version.h.in" > "$work/versions/libde265/de265-version.h"
objects de265 "-I$work/versions -I$work/versions/libde265 -I$de265 -I$de265/libde265 -DLIBDE265_STATIC_BUILD -DHAVE_POSIX_MEMALIGN=1" \
  $(ls "$de265"/libde265/*.cc | grep -vE 'visualize|image-io')
# dav1d for samples of 8 bits and of more, whose files are compiled once for each; nothing in it starts a thread.
mkdir -p "$work/av1"
{
  for name in CONFIG_8BPC CONFIG_16BPC HAVE_POSIX_MEMALIGN HAVE_UNISTD_H; do echo "#define $name 1"; done
  for name in CONFIG_LOG ENDIANNESS_BIG TRIM_DSP_FUNCTIONS HAVE_{ASM,ALIGNED_ALLOC,MEMALIGN,DLSYM,GETAUXVAL,ELF_AUX_INFO,C11_GENERIC} \
    HAVE_PTHREAD_{NP_H,GETAFFINITY_NP,SETNAME_NP,SET_NAME_NP} ARCH_{AARCH64,ARM,LOONGARCH,LOONGARCH64,PPC64LE,RISCV,X86,X86_32,X86_64}; do
    echo "#define $name 0"
  done
} > "$work/av1/config.h"
echo '#define DAV1D_VERSION ""' > "$work/av1/vcs_version.h"
for bits in 8 16; do
  for file in "$dav1d"/src/*_tmpl.c; do printf '#define BITDEPTH %d\n#include "%s"\n' $bits "src/${file##*/}" > "$work/av1/$bits${file##*/}"; done
done
objects dav1d "-std=c11 -D_GNU_SOURCE -I$work/av1 -I$dav1d -I$dav1d/include -I$dav1d/include/dav1d" \
  "$dav1d"/src/{cdf,cpu,ctx,data,decode,dequant_tables,getbits,intra_edge,itx_1d,lf_mask,lib,log,mem,msac,obu,pal,picture,qm,ref,refmvs,scan,tables,thread_task,warpmv,wedge}.c "$work"/av1/*_tmpl.c
objects heif "-I$dav1d/include -I$work/av1 -DHAVE_DAV1D=1 -I$work/versions -I$de265 -I$heif -I$heif/libheif -DLIBHEIF_STATIC_BUILD -DLIBDE265_STATIC_BUILD -DHAVE_LIBDE265=1 -DHAVE_UNISTD_H=1 -Dde265_start_worker_threads=no_worker_threads -Dde265_new_decoder=counting_hevc -Ddav1d_open=counting_av1" \
  $(ls "$heif"/libheif/*.cc "$heif"/libheif/plugins/heif_decoder_{libde265,dav1d}.cc | grep -vE 'fuzzer|plugins_')
$cc $link -I"$work/versions" -I"$heif" -I"$lcms/include" -I"$de265" -I"$dav1d/include" photo.c heif.c colour.c "$work"/{heif,de265,dav1d,lcms}.a -lc++ -lc++abi -lwasi-emulated-signal -o "$work/heif.wasm"
gzip -9 -n -c "$work/heif.wasm" > heif.wasm.gz
ls -l ./*.wasm.gz
