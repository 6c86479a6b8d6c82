import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.S3Exception;

/** A client that asks for more than it may have at a time, and then for more than it may have in a day. */
public class Limited {
  static final String BUCKET = System.getenv("S3_BUCKET");
  static final int WRITERS = 3, WRITES = 6;

  public static void main(String[] args) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(WRITERS);
    try (S3Client s3 = S3Client.builder().forcePathStyle(true).build()) {
      List<Callable<Object>> writers = new ArrayList<>();
      for (int n = 0; n < WRITERS; n++) {
        String name = "writer-" + n;
        writers.add(() -> writes(s3, name));
      }
      for (Future<Object> each : threads.invokeAll(writers)) each.get();
      s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("writer-0/0"));
      try {
        s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("writer-0/0"));
        throw new IllegalStateException("a read beyond the quota");
      } catch (S3Exception e) {
        if (!e.awsErrorDetails().errorCode().equals("QuotaExceeded")) throw e;
      }
    }
    System.out.println("passed " + VersionInfo.SDK_VERSION);
    System.exit(0);
  }

  static Object writes(S3Client s3, String name) {
    for (int n = 0; n < WRITES; n++) {
      String key = name + "/" + n;
      s3.putObject(b -> b.bucket(BUCKET).key(key), RequestBody.fromString("x"));
    }
    return null;
  }
}
