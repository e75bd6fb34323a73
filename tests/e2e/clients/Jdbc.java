// pgjdbc: its three query modes, server-side prepare, batches, generated keys, cursors, COPY, savepoints, cancel.
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import java.util.Properties;
import org.postgresql.PGConnection;

public class Jdbc {
  static Connection open(String mode) throws SQLException {
    Properties p = new Properties();
    p.setProperty("user", System.getenv("DBUSER"));
    if (System.getenv("PASSWORD") != null) p.setProperty("password", System.getenv("PASSWORD"));
    p.setProperty("preferQueryMode", mode);
    p.setProperty("sslmode", "disable");
    p.setProperty("prepareThreshold", "2");
    return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("HOST") + ":5432/app", p);
  }

  public static void main(String[] args) throws Exception {
    for (String mode : new String[] {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"}) {
      System.out.println("mode " + mode);
      try (Connection c = open(mode)) { exercise(c); }
    }
  }

  static void exercise(Connection c) throws Exception {
    try (Statement s = c.createStatement()) {
      s.execute("DROP TABLE IF EXISTS jdbc_t; CREATE TABLE jdbc_t (id serial PRIMARY KEY, v text)");
    }
    try (PreparedStatement p = c.prepareStatement("INSERT INTO jdbc_t (v) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
      for (int i = 0; i < 4; i++) {
        p.setString(1, "value " + i);
        p.executeUpdate();
        try (ResultSet k = p.getGeneratedKeys()) { k.next(); System.out.println("key " + k.getInt(1)); }
      }
    }
    try (PreparedStatement p = c.prepareStatement("INSERT INTO jdbc_t (v) VALUES (?)")) {
      for (int i = 0; i < 10; i++) { p.setString(1, "batch " + i); p.addBatch(); }
      System.out.println("batch " + p.executeBatch().length);
    }
    c.setAutoCommit(false);
    try (Statement s = c.createStatement()) {
      s.setFetchSize(3);
      int n = 0;
      try (ResultSet r = s.executeQuery("SELECT v FROM jdbc_t ORDER BY id")) { while (r.next()) n++; }
      System.out.println("cursor " + n);
      Savepoint point = c.setSavepoint();
      try { s.execute("SELECT 1/0"); } catch (SQLException e) { System.out.println(e.getSQLState() + " " + e.getMessage()); }
      c.rollback(point);
      s.execute("UPDATE jdbc_t SET v = 'changed' WHERE id = 1");
    }
    c.commit();
    c.setAutoCommit(true);
    var copy = c.unwrap(PGConnection.class).getCopyAPI();
    System.out.println("copied " + copy.copyIn("COPY jdbc_t (v) FROM STDIN", new StringReader("a\nb\nc\n")));
    StringWriter out = new StringWriter();
    System.out.println("out " + copy.copyOut("COPY (SELECT v FROM jdbc_t ORDER BY id LIMIT 5) TO STDOUT", out) + " " + out);
    try (Statement s = c.createStatement()) {
      s.setQueryTimeout(1);
      try { s.execute("SELECT pg_sleep(30)"); } catch (SQLException e) { System.out.println(e.getSQLState() + " " + e.getMessage()); }
      try (ResultSet r = s.executeQuery("SELECT count(*) FROM jdbc_t")) { r.next(); System.out.println("rows " + r.getInt(1)); }
      s.execute("DROP TABLE jdbc_t");
    }
    System.out.println("database " + c.getMetaData().getDatabaseProductName() + " " + c.getMetaData().getTables(null, "public", "users", null).next());
  }
}
