import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;

/** An upload whose keys end in the middle; see ../renew.py. Only the path style has no variable. */
public class Renew {
  static final String BUCKET = System.getenv("S3_BUCKET"), KEY = "uploaded";

  public static void main(String[] args) throws Exception {
    try (S3Client s3 = S3Client.builder().forcePathStyle(true).build()) {
      String id = s3.createMultipartUpload(b -> b.bucket(BUCKET).key(KEY)).uploadId();
      List<CompletedPart> parts = new ArrayList<>();
      parts.add(part(s3, id, 1));
      System.out.println("half");
      System.in.read();
      parts.add(part(s3, id, 2));
      s3.completeMultipartUpload(b -> b.bucket(BUCKET).key(KEY).uploadId(id).multipartUpload(u -> u.parts(parts)));
    }
  }

  static CompletedPart part(S3Client s3, String id, int number) {
    String etag = s3.uploadPart(b -> b.bucket(BUCKET).key(KEY).uploadId(id).partNumber(number),
        RequestBody.fromBytes(new byte[6 << 20])).eTag();
    return CompletedPart.builder().partNumber(number).eTag(etag).build();
  }
}
