"""What is known about speech in a sound: words, speakers, voiceprints."""
