// Package uploads holds the files of a contest's pictures: in a folder of this
// machine, and where the address of a bucket is set in that bucket, where all
// machines of a contest find them.
//
// Names and bytes come in; files in a folder, or objects of the same names in a
// bucket, go out. Names are those that addresses have behind /uploads/. What a
// picture is, and when it goes where, is not decided here.
//
// # Buckets
//
// s3://NAME?region=…&endpoint=… is a bucket of Amazon's S3 or of anything that
// speaks its protocol. Keys come from where Amazon's tools look for them:
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, the shared files,
// or the machine's role. prefix=FOLDER/ keeps the objects below a folder, so that
// several contests share a bucket. file:///FOLDER is a folder that stands for a
// bucket: for tests, and for a file system that several machines share. What lives
// in one process only, as mem:// does, is refused.
package uploads
