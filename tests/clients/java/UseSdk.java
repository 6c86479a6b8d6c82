import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

/** A client as its users write it, with the SDK's defaults; see common.py. */
public class UseSdk {
  static final String BUCKET = System.getenv("S3_BUCKET");
  static final URI ENDPOINT = URI.create(System.getenv("S3_ENDPOINT"));
  static final StaticCredentialsProvider KEYS = StaticCredentialsProvider.create(
      AwsBasicCredentials.create(System.getenv("S3_ACCESS"), System.getenv("S3_SECRET")));

  static void same(Object got, Object want, String what) {
    if (!got.equals(want)) throw new IllegalStateException(what + ": got " + got + ", want " + want);
  }

  public static void main(String[] args) throws Exception {
    byte[] large = new byte[11_000_000];
    new Random(1).nextBytes(large);
    try (S3Client s3 = S3Client.builder().endpointOverride(ENDPOINT).region(Region.US_EAST_1)
        .credentialsProvider(KEYS).forcePathStyle(true).build()) {
      objects(s3);
      parts(s3, large);
      manager(s3, large);
      removals(s3);
    }
    System.out.println("passed " + VersionInfo.SDK_VERSION);
    System.exit(0); // the asynchronous client's threads are not worth waiting for
  }

  static void objects(S3Client s3) throws Exception {
    String key = "a b/ü+&=%41.txt";
    String etag = s3.putObject(b -> b.bucket(BUCKET).key(key).contentType("text/plain").metadata(Map.of("a", "b")),
        RequestBody.fromString("hello")).eTag();
    var got = s3.getObjectAsBytes(b -> b.bucket(BUCKET).key(key));
    same(got.asUtf8String(), "hello", "an object");
    same(got.response().metadata().get("a"), "b", "metadata");
    int status = 0;
    try {
      s3.getObjectAsBytes(b -> b.bucket(BUCKET).key(key).ifNoneMatch(etag));
    } catch (S3Exception e) {
      status = e.statusCode();
    }
    same(status, 304, "an object that did not change");
    try (S3Presigner presigner = S3Presigner.builder().endpointOverride(ENDPOINT).region(Region.US_EAST_1)
        .credentialsProvider(KEYS).serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build()).build()) {
      var url = presigner.presignGetObject(b -> b.signatureDuration(Duration.ofMinutes(1))
          .getObjectRequest(g -> g.bucket(BUCKET).key(key))).url();
      var answer = HttpClient.newHttpClient().send(HttpRequest.newBuilder(url.toURI()).build(), BodyHandlers.ofString());
      same(answer.body(), "hello", "a presigned URL");
    }
  }

  static void parts(S3Client s3, byte[] large) {
    String id = s3.createMultipartUpload(b -> b.bucket(BUCKET).key("parts")).uploadId();
    List<CompletedPart> done = new ArrayList<>();
    for (int at = 0, n = 1; at < large.length; at += 5 << 20, n++) {
      byte[] part = Arrays.copyOfRange(large, at, Math.min(at + (5 << 20), large.length));
      int number = n;
      String etag = s3.uploadPart(b -> b.bucket(BUCKET).key("parts").uploadId(id).partNumber(number), RequestBody.fromBytes(part)).eTag();
      done.add(CompletedPart.builder().partNumber(number).eTag(etag).build());
    }
    s3.completeMultipartUpload(b -> b.bucket(BUCKET).key("parts").uploadId(id).multipartUpload(m -> m.parts(done)));
    same(Arrays.equals(s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("parts")).asByteArray(), large), true, "a large object");
    byte[] range = s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("parts").range("bytes=5-24")).asByteArray();
    same(Arrays.equals(range, Arrays.copyOfRange(large, 5, 25)), true, "a range");
    s3.copyObject(b -> b.sourceBucket(BUCKET).sourceKey("parts").destinationBucket(BUCKET).destinationKey("copy"));
    same(s3.headObject(b -> b.bucket(BUCKET).key("copy")).contentLength(), (long) large.length, "the size of a copy");
  }

  /** The transfer manager's client signs and sends in another way: asynchronously, in chunks. */
  static void manager(S3Client s3, byte[] large) throws Exception {
    Path file = Files.write(Path.of("large.bin"), large);
    S3AsyncClient client = S3AsyncClient.builder().endpointOverride(ENDPOINT).region(Region.US_EAST_1)
        .credentialsProvider(KEYS).forcePathStyle(true).multipartEnabled(true).build();
    try (S3TransferManager manager = S3TransferManager.builder().s3Client(client).build()) {
      manager.uploadFile(b -> b.source(file).putObjectRequest(p -> p.bucket(BUCKET).key("managed"))).completionFuture().get();
      Path back = Path.of("back.bin");
      manager.downloadFile(b -> b.destination(back).getObjectRequest(g -> g.bucket(BUCKET).key("managed"))).completionFuture().get();
      same(Arrays.equals(Files.readAllBytes(back), large), true, "a managed transfer");
    }
  }

  static void removals(S3Client s3) {
    var keys = s3.listObjectsV2Paginator(b -> b.bucket(BUCKET)).contents().stream().map(o -> o.key()).toList();
    same(keys, List.of("a b/ü+&=%41.txt", "copy", "managed", "parts"), "a list");
    var gone = keys.stream().map(k -> ObjectIdentifier.builder().key(k).build()).toList();
    same(s3.deleteObjects(b -> b.bucket(BUCKET).delete(d -> d.objects(gone))).deleted().size(), 4, "removals");
  }
}
